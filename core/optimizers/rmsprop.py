"""RMSprop: the gradient over the root of its running mean square.

Source: torch.optim.RMSprop; Hinton, "Neural networks for machine learning", lecture 6, 2012; Graves, 2013 (centered).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.optimizers.base import Arrays, Optimizer, Options, decayed, require
from core.types import Array, ArrayModule

__all__ = ["RMSPROP", "RMSpropOptions"]


@dataclass(frozen=True)
class RMSpropOptions(Options):
    """Options of `rmsprop`."""

    kind: ClassVar[str] = "rmsprop"

    learning_rate: float = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "eps", "momentum"):
            require(0 <= getattr(self, name) < float("inf"), name, "is finite and not negative")


def _update(
    xp: ArrayModule, theta: Array, gradient: Array, arrays: Arrays, options: RMSpropOptions, decays: Array | None
) -> tuple[Array, dict[str, Array]]:
    g = decayed(gradient, theta, options, decays)
    zero = xp.zeros_like(theta)
    square = options.alpha * arrays.get("square", zero) + (1 - options.alpha) * g * g
    remembered = {**arrays, "square": square}
    variance = square
    if options.centered:
        mean = options.alpha * arrays.get("mean", zero) + (1 - options.alpha) * g
        remembered["mean"] = mean
        # Not negative but by rounding, whose root would be no number; PyTorch lets it.
        variance = xp.maximum(square - mean * mean, zero)
    direction = g / (xp.sqrt(variance) + options.eps)
    if options.momentum > 0:
        direction = options.momentum * arrays.get("velocity", zero) + direction
        remembered["velocity"] = direction
    return theta - options.learning_rate * direction, remembered


RMSPROP = Optimizer(RMSpropOptions, _update)
