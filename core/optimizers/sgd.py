"""Stochastic gradient descent, with momentum, dampening, Nesterov's variant and weight decay.

    g <- dC/dtheta + lambda theta;   v <- mu v + (1 - tau) g   (v <- g at the start);   theta <- theta - eta v

Source: torch.optim.SGD; Sutskever and others, "On the importance of initialization and momentum in deep learning", 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from core.optimizers.base import Arrays, Optimizer, Options, decayed, require
from core.types import Array, ArrayModule

__all__ = ["SGD", "SgdOptions"]


@dataclass(frozen=True)
class SgdOptions(Options):
    """Options of `sgd`."""

    kind: ClassVar[str] = "sgd"

    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.momentum < float("inf"), "momentum", "is finite and not negative")
        require(isfinite(self.dampening), "dampening", "is finite")
        possible = not self.nesterov or (self.momentum > 0 and self.dampening == 0)
        require(possible, "nesterov", "needs a momentum above 0 and no dampening")


def _update(
    _xp: ArrayModule, theta: Array, gradient: Array, arrays: Arrays, options: SgdOptions, decays: Array | None
) -> tuple[Array, dict[str, Array]]:
    g = decayed(gradient, theta, options, decays)
    if options.momentum == 0:
        return theta - options.learning_rate * g, dict(arrays)
    before = arrays.get("velocity")
    velocity = g if before is None else options.momentum * before + (1 - options.dampening) * g
    direction = g + options.momentum * velocity if options.nesterov else velocity
    return theta - options.learning_rate * direction, {"velocity": velocity}


SGD = Optimizer(SgdOptions, _update)
