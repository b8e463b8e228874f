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
from core.plans.batches import Admission
from core.plans.buffers import every_layer_bytes
from core.plans.cache import PlanCache
from core.plans.plan import Plan
from core.plans.updates import accumulate
from core.plans.working import Working
from core.types import NUMPY, Array

__all__ = ["Gradients"]


class Gradients:
    """Gradients at one set of parameters; for NumPy, one thread at a time.

    Args:
        working: where the parameters are copied to, for those who share it with other passes.
    """

    parameters: Parameters
    """Where they are taken; others of the same architecture may take their place. Their vector is not to be written to."""

    def __init__(self, parameters: Parameters, working: Working | None = None) -> None:
        self.parameters, self._working = parameters, working or Working(parameters.architecture)
        self._admission = Admission(parameters.architecture)
        count, dtype = parameters.architecture.parameter_count, parameters.vector.dtype
        self._gradient = Parameters(parameters.architecture, np.zeros(count, dtype))
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
        x, y = self._admission.batch(x, y)
        self._working.hold(self.parameters)
        vector = np.empty_like(self._gradient.vector)
        cost, squares = self._quietly.run(self._found, x, y, vector)
        if isfinite(cost) and isfinite(squares):
            return cost, Parameters(self._gradient.architecture, vector)
        found = backprop(NUMPY, self.parameters, x, y)
        return found.cost, found.gradient

    @property
    def nbytes(self) -> int:
        """Bytes of the gradient and of all buffers that are kept."""
        return self._gradient.vector.nbytes + self._plans.nbytes

    def _found(self, x: Array, y: Array, vector: Array) -> tuple[float, float]:
        """The gradient, into the vector; C, and the sum of all z^2 and of the gradient's squares: finite only if all are."""
        plan = self._plans.get(len(x), self._compiled)
        plan.run(x, y, vector)
        return plan.cost(y), self._squares.dot(self._ones)

    def _compiled(self, batch: int) -> Plan:
        update = accumulate(self._gradient, batch)
        return Plan(self.parameters.architecture, self._working, batch, update, self._squares)
