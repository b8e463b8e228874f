"""Where the cost meets the last layer: delta^L in place, and C (equation 1).

Invariant: a head computes what `core.costs.output_layer` computes. The common costs have heads of their own; every other one
runs through that definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from core.costs import output_layer
from core.plans.blas import Blas
from core.plans.buffers import Buffers
from core.plans.calls import Given, Step, Waiting
from core.types import NUMPY, Array

__all__ = ["Head", "head"]


@dataclass(frozen=True)
class Head:
    """The cost of one output layer, bound to its buffers."""

    error: list[Step]
    """Fill the layer's delta: with dC/dz where `complete`, else with dC/da, which the kernel then pulls back."""
    complete: bool
    cost: list[Step]
    """Fill `total`, once the pass is through; the layer's scratch is theirs."""
    total: Array
    """(1,): the sum of C_x over the batch, but for `share`."""
    share: float = 1.0


def head(cost: str, activation: str, layer: Buffers, scale: float) -> Head:
    """The head of a cost on a last layer with an activation, whose kernel has z times `scale`."""
    blas, total = Blas(layer.a.dtype), np.zeros(1, layer.a.dtype)
    a, delta, scratch = layer.a, layer.delta, layer.scratch
    difference = Waiting(Given.Y, np.subtract, (a,), (delta,))
    squares: list[Step] = [Waiting(Given.Y, np.subtract, (a,), (scratch,)), blas.dot(scratch, scratch, total)]

    if cost == "quadratic":
        return Head([difference], False, squares, total, 0.5)

    if cost == "mean_squared_error":
        doubled = partial(np.multiply, delta, np.array(2.0 / len(a), a.dtype), delta)
        return Head([difference, doubled], False, squares, total, 1.0 / len(a))

    if (cost, activation) == ("cross_entropy", "softmax"):
        return Head(_weighted(layer, blas), True, _log_likelihood(layer, blas, total), total, -1.0)

    definition, unscale = output_layer(cost, activation), np.array(1.0 / scale, a.dtype)

    def summed(y_t: Array) -> None:
        total[0] = definition.value(NUMPY, y_t.T, layer.z.T * unscale, a.T).sum()

    def general(y_t: Array) -> None:
        np.copyto(delta, definition.error(NUMPY, y_t.T, layer.z.T * unscale, a.T).T)

    is_difference = (cost, activation) == ("binary_cross_entropy", "sigmoid")
    return Head([difference if is_difference else Waiting(Given.Y, general)], True, [Waiting(Given.Y, summed)], total)


def _weighted(layer: Buffers, blas: Blas) -> list[Step]:
    """Delta = a sum_j y_j - y."""
    weights = np.empty((1, layer.a.shape[1]), layer.a.dtype)
    return [
        blas.column_sums_of_targets(len(layer.a), weights.reshape(-1)),
        partial(np.multiply, layer.a, weights, layer.delta),
        Waiting(Given.Y, np.subtract, (layer.delta,), (layer.delta,)),
    ]


def _log_likelihood(layer: Buffers, blas: Blas, total: Array) -> list[Step]:
    """The sum of y_j (z_j - log sum_k e^z_k); the softmax has left z shifted by its maximum, so that nothing overflows."""
    z, scratch = layer.z, layer.scratch
    normalizer, ones = np.empty((1, z.shape[1]), z.dtype), np.ones_like(z)
    return [
        partial(np.exp, z, scratch),
        blas.column_sums(scratch, normalizer.reshape(-1)),
        partial(np.log, normalizer, normalizer),
        partial(np.subtract, z, normalizer, scratch),
        Waiting(Given.Y, np.multiply, (scratch,), (scratch,)),
        blas.dot(scratch, ones, total),
    ]
