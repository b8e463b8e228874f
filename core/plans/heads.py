"""Where the cost meets the last layer: delta^L in place, and C (equation 1).

Invariant: a head computes what `core.costs.output_layer` computes. The common costs have heads of their own; every other one
runs through that definition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.costs import output_layer
from core.plans.blas import Blas
from core.plans.buffers import Buffers
from core.types import NUMPY, Array

__all__ = ["Head", "head"]


@dataclass(frozen=True)
class Head:
    """The cost of one output layer, bound to its buffers."""

    error: Callable[[Array], object]
    """Fill the layer's delta from y (m, n_L): with dC/dz where `complete`, else with dC/da, which the kernel then pulls back."""
    complete: bool
    total: Callable[[Array], float]
    """The sum of C_x over the batch, from y."""


def head(cost: str, activation: str, layer: Buffers, scale: float) -> Head:
    """The head of a cost on a last layer with an activation, whose kernel has z times `scale`."""
    definition = output_layer(cost, activation)
    a, delta, unscale = layer.a, layer.delta, np.array(1.0 / scale, layer.a.dtype)

    def total(y: Array) -> float:
        return float(definition.value(NUMPY, y, layer.z.T * unscale, a.T).sum())

    def square(y: Array) -> float:
        d = np.subtract(a, y.T).reshape(-1)
        return float(d.dot(d))

    def difference(y: Array) -> None:
        np.subtract(a, y.T, delta)

    if cost == "quadratic":
        return Head(difference, False, lambda y: 0.5 * square(y))

    if (cost, activation) == ("binary_cross_entropy", "sigmoid"):
        return Head(difference, True, total)

    if cost == "mean_squared_error":
        share = np.array(2.0 / len(a), a.dtype)

        def doubled(y: Array) -> None:
            np.subtract(a, y.T, delta)
            np.multiply(delta, share, delta)

        return Head(doubled, False, lambda y: square(y) / len(a))

    if (cost, activation) == ("cross_entropy", "softmax"):
        weights = np.empty((1, a.shape[1]), a.dtype)
        sum_targets = Blas(a.dtype).column_sums_of(len(a), weights.reshape(-1))

        def weighted(y: Array) -> None:
            y_t = y.T
            sum_targets(y_t)
            np.multiply(a, weights, delta)
            np.subtract(delta, y_t, delta)

        return Head(weighted, True, total)

    def general(y: Array) -> None:
        np.copyto(delta, definition.error(NUMPY, y, layer.z.T * unscale, a.T).T)

    return Head(general, True, total)
