"""Adadelta: Adagrad over a window, with the size of its own past updates in place of a learning rate.

Source: torch.optim.Adadelta; Zeiler, "Adadelta: an adaptive learning rate method", 2012.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.optimizers.base import Arrays, Optimizer, Options, decayed, require
from core.types import Array, ArrayModule

__all__ = ["ADADELTA", "AdadeltaOptions"]


@dataclass(frozen=True)
class AdadeltaOptions(Options):
    """Options of `adadelta`."""

    kind: ClassVar[str] = "adadelta"

    learning_rate: float = 1.0
    rho: float = 0.9
    eps: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.rho <= 1, "rho", "is at least 0 and at most 1")
        require(0 <= self.eps < float("inf"), "eps", "is finite and not negative")


def _update(
    xp: ArrayModule, theta: Array, gradient: Array, arrays: Arrays, options: AdadeltaOptions, decays: Array | None
) -> tuple[Array, dict[str, Array]]:
    g = decayed(gradient, theta, options, decays)
    rho, eps = options.rho, options.eps
    zero = xp.zeros_like(theta)
    square = rho * arrays.get("square", zero) + (1 - rho) * g * g
    moved = arrays.get("update_square", zero)
    update = xp.sqrt(moved + eps) / xp.sqrt(square + eps) * g
    remembered = {"square": square, "update_square": rho * moved + (1 - rho) * update * update}
    return theta - options.learning_rate * update, remembered


ADADELTA = Optimizer(AdadeltaOptions, _update)
