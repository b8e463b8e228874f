"""What becomes of delta^l and a^{l-1}: a gradient, a descent straight into the weights, or a velocity.

Each is the same pair of products (equations 3 and 4) with other factors and another target, which is why plain gradient
descent needs no gradient array and momentum no second pass over the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.network import LayerParameters
from core.plans.blas import Call
from core.types import Array

__all__ = ["Products", "Update", "accumulate", "descend"]


class Products(Protocol):
    """The products of the backward pass, bound: `Blas`, or `Cublas` on a device."""

    def outer(self, alpha: float, delta: Array, a: Array, beta: float, g: Array) -> Call:
        """G = beta g + alpha delta^T a."""

    def outer_from(self, alpha: float, delta: Array, beta: float, g: Array) -> Callable[[Array], object]:
        """As `outer`, for an `a` that is given when it is called, as its transpose."""

    def column_sums(self, alpha: float, delta: Array, beta: float, g: Array) -> Call:
        """G = beta g + alpha (sum of the rows of delta)."""


@dataclass(frozen=True)
class Update:
    """target <- keep target + factor (sum over the batch of delta^l (a^{l-1})^T, delta^l).

    `factor` has the 1/m of the mean in it. The biases have a `keep` of their own, for weight decay that spares them.
    """

    target: Sequence[LayerParameters]
    factor: float
    keep: float = 0.0
    keep_biases: float = 0.0

    def bind(self, blas: Products, index: int, delta: Array, a: Array) -> list[Call]:
        """The update of the layer at `index`, whose input activations are `a`."""
        g = self.target[index]
        return [
            blas.outer(self.factor, delta, a, self.keep, g.weights),
            blas.column_sums(self.factor, delta, self.keep_biases, g.biases),
        ]

    def bind_first(self, blas: Products, delta: Array) -> tuple[list[Call], Callable[[Array], object]]:
        """The same for the first layer, whose input is known only at the call (as its transpose)."""
        g = self.target[0]
        sums = blas.column_sums(self.factor, delta, self.keep_biases, g.biases)
        return [sums], blas.outer_from(self.factor, delta, self.keep, g.weights)


def accumulate(gradient: Sequence[LayerParameters], batch: int) -> Update:
    """The mean gradient, into arrays of its own."""
    return Update(gradient, 1.0 / batch)


def descend(
    parameters: Sequence[LayerParameters], batch: int, learning_rate: float, decay: float, decay_biases: bool
) -> Update:
    """W <- (1 - eta lambda) w - eta/m sum delta a^T: one product, and the weights have moved."""
    keep = 1.0 - learning_rate * decay
    return Update(parameters, -learning_rate / batch, keep, keep if decay_biases else 1.0)
