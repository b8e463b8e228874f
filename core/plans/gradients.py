"""The cost and its mean gradient, as fast as the products allow.

Invariant: what `backprop` answers, up to rounding. What is not finite does not come out: `backprop` itself then has the word, and
names the layer. It looks at the gradient and the cost alone: a z that overflows and that an activation brings back, as
sigmoid does, goes unnoticed here, and is an error there.
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
        self._plans = PlanCache(self._compiled, every_layer_bytes(parameters.architecture))
        self._quietly = quiet_context()

    def backprop(self, x: Array, y: Array) -> tuple[float, Parameters]:
        """C and its mean gradient for x (m, n_1) and y (m, n_L), or labels (m,); the gradient in an array of its own.

        Raises:
            InvalidBatch: shapes that do not fit, or labels out of range.
            NonFiniteError: names the first layer that left the finite numbers.
        """
        x, y = admit(self._parameters, x, y)
        cost, square = self._quietly.run(self._found, x, y)
        if isfinite(cost) and isfinite(square):
            return cost, Parameters(self._parameters.architecture, self._gradient.vector.copy())
        found = backprop(NUMPY, self._parameters, x, y)
        return found.cost, found.gradient

    @property
    def nbytes(self) -> int:
        """Bytes of the gradient and of all buffers that are kept."""
        return self._gradient.vector.nbytes + self._plans.nbytes

    def _found(self, x: Array, y: Array) -> tuple[float, float]:
        """C, and the squared norm of the gradient, which is finite only if every entry is."""
        plan = self._plans.get(len(x))
        plan.run(x, y)
        return plan.cost(y), self._gradient.vector.dot(self._gradient.vector)

    def _compiled(self, batch: int) -> Plan:
        parameters = self._parameters
        return Plan(parameters.architecture, parameters.layers, batch, accumulate(self._gradient.layers, batch))
