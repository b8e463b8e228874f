"""A batch on its way into a plan: checked, and C-contiguous in the network's dtype.

Invariant: what fits already passes with a few comparisons and is used where it is; what does not is refused or copied.
"""

from __future__ import annotations

import numpy as np

from core.backprop import require_targets
from core.feedforward import require_inputs
from core.finite import quiet
from core.network import Parameters
from core.types import NUMPY, Array

__all__ = ["admit", "admit_inputs"]


def admit_inputs(parameters: Parameters, x: Array) -> Array:
    """The inputs x (m, n_1) as plans want them.

    Raises:
        InvalidBatch: another shape.
    """
    if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != parameters.architecture.inputs:
        require_inputs(parameters, x)
    return _ready(parameters, x)


def admit(parameters: Parameters, x: Array, y: Array) -> tuple[Array, Array]:
    """The batch x (m, n_1) and y (m, n_L), or labels (m,) of a cross entropy, as plans want it.

    Raises:
        InvalidBatch: shapes that do not fit, or labels out of range.
    """
    x = admit_inputs(parameters, x)
    if y.shape != (x.shape[0], parameters.architecture.sizes[-1]):
        y = require_targets(NUMPY, parameters, y, x.shape[0])
    return x, _ready(parameters, y)


def _ready(parameters: Parameters, array: Array) -> Array:
    dtype = parameters.vector.dtype
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    with quiet():
        return np.ascontiguousarray(array, dtype)
