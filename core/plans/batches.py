"""A batch on its way into a plan: checked, and C-contiguous in the network's dtype.

Invariant: what fits already passes with a few comparisons and is used where it is; what does not is refused or copied.
"""

from __future__ import annotations

import numpy as np

from core.backprop import require_targets
from core.feedforward import require_inputs
from core.finite import quiet
from core.network import Architecture, Parameters
from core.types import NUMPY, Array

__all__ = ["Admission"]


class Admission:
    """What may enter the plans of one network."""

    def __init__(self, architecture: Architecture) -> None:
        self._row, self._outputs = (architecture.inputs,), architecture.sizes[-1]
        self._dtype = np.dtype(architecture.dtype)
        # The readable checks ask a network; all that they look at is its shape and its dtype.
        self._network = Parameters(
            architecture, np.broadcast_to(np.zeros((), self._dtype), (architecture.parameter_count,))
        )

    def inputs(self, x: Array) -> Array:
        """The inputs x (m, n_1) as plans want them.

        Raises:
            InvalidBatch: another shape.
        """
        if x.shape[1:] != self._row or x.shape[0] == 0:
            require_inputs(self._network, x)
        return self._ready(x)

    def batch(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The batch x (m, n_1) and y (m, n_L), or labels (m,) of a cross entropy, as plans want it.

        Raises:
            InvalidBatch: shapes that do not fit, or labels out of range.
        """
        x = self.inputs(x)
        if y.shape != (x.shape[0], self._outputs):
            y = require_targets(NUMPY, self._network, y, x.shape[0])
        return x, self._ready(y)

    def is_ready(self, x: Array, y: Array) -> bool:
        """Whether x and y may be used where they are."""
        fits = x.shape[1:] == self._row and y.shape == (x.shape[0], self._outputs)
        return fits and self._is_fit(x) and self._is_fit(y)

    def _ready(self, array: Array) -> Array:
        if self._is_fit(array):
            return array
        with quiet():
            return np.require(array, self._dtype, ("C", "A"))

    def _is_fit(self, array: Array) -> bool:
        """Whether NumPy's loops and BLAS may be given its address."""
        flags = array.flags
        in_order = array.dtype == self._dtype and flags.c_contiguous and flags.aligned
        return in_order and isinstance(array, np.ndarray)
