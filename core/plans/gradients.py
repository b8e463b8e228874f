"""The cost and its mean gradient, as fast as the products allow.

Invariant: what `backprop` answers, up to rounding, and what it raises. Sums of squares, of each z and of the gradient, tell that
all numbers are finite; where they do not, `backprop` itself has the word.
"""

from __future__ import annotations

from math import isfinite

import numpy as np

from core.backprop import backprop
from core.finite import quiet_context
from core.network import Parameters
from core.plans.batches import admit
from core.plans.buffers import every_layer_bytes
from core.plans.cache import PlanCache
from core.plans.plan import Plan
from core.plans.updates import accumulate
from core.types import NUMPY, Array

__all__ = ["Gradients"]


class Gradients:
    """Gradients at one set of parameters, which are read where they are; for NumPy, one thread at a time."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._gradient = Parameters(parameters.architecture, np.zeros_like(parameters.vector))
        self._squares = np.zeros(len(parameters.architecture.layers) + 1, parameters.vector.dtype)
        self._ones = np.ones_like(self._squares)
        self._plans: PlanCache[Plan] = PlanCache(every_layer_bytes(parameters.architecture))
        self._quietly = quiet_context()

    def backprop(self, x: Array, y: Array) -> tuple[float, Parameters]:
        """C and its mean gradient for x (m, n_1) and y (m, n_L), or labels (m,); the gradient in an array of its own.

        Raises:
            InvalidBatch: shapes that do not fit, or labels out of range.
            NonFiniteError: names the first layer that left the finite numbers.
        """
        x, y = admit(self._parameters, x, y)
        cost, squares = self._quietly.run(self._found, x, y)
        if isfinite(cost) and isfinite(squares):
            return cost, Parameters(self._parameters.architecture, self._gradient.vector.copy())
        found = backprop(NUMPY, self._parameters, x, y)
        return found.cost, found.gradient

    @property
    def nbytes(self) -> int:
        """Bytes of the gradient and of all buffers that are kept."""
        return self._gradient.vector.nbytes + self._plans.nbytes

    def _found(self, x: Array, y: Array) -> tuple[float, float]:
        """C, and the sum of all z^2 and of the gradient's squares, which is finite only if all of them are."""
        plan = self._plans.get(len(x), self._compiled)
        plan.run(x, y)
        self._squares[-1] = self._gradient.vector.dot(self._gradient.vector)
        return plan.cost(y), self._squares.dot(self._ones)

    def _compiled(self, batch: int) -> Plan:
        parameters = self._parameters
        update = accumulate(self._gradient.layers, batch)
        return Plan(parameters.architecture, parameters.layers, batch, update, self._squares[:-1])
