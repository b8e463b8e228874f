"""Feedforward without a trace, as fast as the products allow: two buffers, whatever the depth.

Invariant: what `predict` answers, up to rounding, and what it raises. A sum of squares a layer tells that all numbers are finite;
where it does not, `predict` itself has the word.
"""

from __future__ import annotations

from math import isfinite

import numpy as np

from core.feedforward import predict
from core.finite import quiet_context
from core.network import Parameters
from core.plans.batches import admit_inputs
from core.plans.buffers import two_in_turn, two_in_turn_bytes
from core.plans.cache import PlanCache
from core.plans.plan import Passage
from core.types import NUMPY, Array

__all__ = ["Predictor"]


class Predictor:
    """The outputs of one set of parameters, which are read where they are; for NumPy, one thread at a time."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._squares = np.zeros(len(parameters.architecture.layers), parameters.vector.dtype)
        self._ones = np.ones_like(self._squares)
        self._passes: PlanCache[Passage] = PlanCache(two_in_turn_bytes(parameters.architecture))
        self._quietly = quiet_context()

    def predict(self, x: Array) -> Array:
        """a^L (m, n_L) for x (m, n_1), in an array of its own.

        Raises:
            InvalidBatch: x is not (m, n_1). NonFiniteError: names the first layer that left the finite numbers.
        """
        x = admit_inputs(self._parameters, x)
        outputs, squares = self._quietly.run(self._through, x)
        return outputs.copy() if isfinite(squares) else predict(NUMPY, self._parameters, x)

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers that are kept."""
        return self._passes.nbytes

    def _through(self, x: Array) -> tuple[Array, float]:
        """The outputs in their buffer, and the sum of all z^2, which is finite only if every z is."""
        outputs = self._passes.get(len(x), self._compiled).forward(x)
        return outputs, self._squares.dot(self._ones)

    def _compiled(self, batch: int) -> Passage:
        parameters = self._parameters
        memory, buffers = two_in_turn(parameters.architecture, batch)
        return Passage(parameters.architecture, parameters.layers, memory, buffers, self._squares)
