"""What becomes of delta^l and a^{l-1}: a gradient, a descent straight into the weights, or a velocity.

Each is the same pair of products (equations 3 and 4) with other factors and another target, which is why plain gradient
descent needs no gradient array and momentum no second pass over the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Update", "accumulate", "descend"]

T = TypeVar("T")
"""Numbers in the parameters' space: `Working`, or `Parameters` on a device."""


@dataclass(frozen=True)
class Update(Generic[T]):
    """target <- keep target + factor (sum over the batch of delta^l (a^{l-1})^T, delta^l).

    `factor` has the 1/m of the mean in it.
    """

    target: T
    factor: float
    keep: float = 0.0


def accumulate(gradient: T, batch: int) -> Update[T]:
    """The mean gradient, into arrays of its own."""
    return Update(gradient, 1.0 / batch)


def descend(parameters: T, batch: int, learning_rate: float, decay: float) -> Update[T]:
    """W <- (1 - eta lambda) w - eta/m sum delta a^T: one product, and the weights have moved."""
    return Update(parameters, -learning_rate / batch, 1.0 - learning_rate * decay)
