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
from core.plans.batches import Admission
from core.plans.buffers import two_in_turn, two_in_turn_bytes
from core.plans.cache import PlanCache
from core.plans.plan import Passage
from core.plans.working import Working
from core.types import NUMPY, Array

__all__ = ["Predictor"]


class Predictor:
    """The outputs of one network; for NumPy, one thread at a time.

    Args:
        working: where its numbers are copied to, for those who share it with other passes.
    """

    parameters: Parameters
    """Whose outputs they are; others of the same architecture may take their place. Their vector is not to be written to."""

    def __init__(self, parameters: Parameters, working: Working | None = None) -> None:
        self.parameters, self._working = parameters, working or Working(parameters.architecture)
        self._admission = Admission(parameters.architecture)
        self._squares = np.zeros(len(parameters.architecture.layers), parameters.vector.dtype)
        self._ones = np.ones_like(self._squares)
        self._passes: PlanCache[Passage] = PlanCache(two_in_turn_bytes(parameters.architecture))
        self._quietly = quiet_context()

    def predict(self, x: Array) -> Array:
        """a^L (m, n_L) for x (m, n_1), in an array of its own.

        Raises:
            InvalidBatch: x is not (m, n_1). NonFiniteError: names the first layer that left the finite numbers.
        """
        x = self._admission.inputs(x)
        self._working.hold(self.parameters)
        outputs, squares = self._quietly.run(self._through, x)
        return outputs.T.copy() if isfinite(squares) else predict(NUMPY, self.parameters, x)

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers that are kept."""
        return self._passes.nbytes

    def _through(self, x: Array) -> tuple[Array, float]:
        """The outputs in their buffer, and the sum of all z^2, which is finite only if every z is."""
        outputs = self._passes.get(len(x), self._compiled).forward(x)
        return outputs, self._squares.dot(self._ones)

    def _compiled(self, batch: int) -> Passage:
        architecture = self.parameters.architecture
        memory, buffers = two_in_turn(architecture, batch)
        return Passage(architecture, self._working, memory, buffers, self._squares)
