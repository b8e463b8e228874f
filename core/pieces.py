"""A batch that is worked on some rows at a time: it needs less memory than all at once, and may be given up in between.

Invariant: what is found is what the whole batch would give, up to rounding, and what is raised is what it would raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

import numpy as np

from core.backprop import backprop, require_targets
from core.errors import NonFiniteError
from core.feedforward import predict, require_inputs
from core.finite import quiet
from core.network import Parameters
from core.types import NUMPY, Array

__all__ = ["Between", "Gradient", "Outputs", "backprop_by_pieces", "predict_by_pieces"]

Outputs = Callable[[Array], Array]
"""The outputs (m, n_L) of one network for x (m, n_1)."""
Gradient = Callable[[Array, Array], tuple[float, Parameters]]
"""C and its mean gradient, in an array of its own, for x (m, n_1) and y (m, n_L) or labels (m,)."""
Between = Callable[[], None]
"""Called before each piece; what it raises ends the work."""


def predict_by_pieces(through: Outputs, parameters: Parameters, x: Array, rows: int, between: Between) -> Array:
    """a^L (m, n_L) for x (m, n_1), some `rows` at most at a time; `through` is `predict`, or as good, with these parameters.

    Raises:
        InvalidBatch: x is not (m, n_1). NonFiniteError: names the first layer that left the finite numbers.
    """
    if x.shape[0] <= rows:
        between()
        return through(x)
    require_inputs(parameters, x)
    outputs = np.empty((len(x), parameters.architecture.sizes[-1]), parameters.vector.dtype)
    try:
        for piece in _pieces(x, rows):
            between()
            outputs[piece] = through(x[piece])
    except NonFiniteError:
        return predict(NUMPY, parameters, x)  # a later piece may leave them in an earlier layer
    return outputs


def backprop_by_pieces(
    through: Gradient, parameters: Parameters, x: Array, y: Array, rows: int, between: Between
) -> tuple[float, Parameters]:
    """C and its mean gradient for x (m, n_1) and y (m, n_L) or labels (m,), some `rows` at most at a time.

    `through` is `backprop`, or as good, with these parameters.

    Raises:
        InvalidBatch: shapes that do not fit, or labels out of range.
        NonFiniteError: names the first layer that left the finite numbers.
    """
    if x.shape[0] <= rows:
        between()
        return through(x, y)
    require_inputs(parameters, x)
    y = require_targets(NUMPY, parameters, y, len(x))
    cost, vector = 0.0, np.zeros_like(parameters.vector)
    try:
        for piece in _pieces(x, rows):
            between()
            its_cost, its = through(x[piece], y[piece])
            share = (piece.stop - piece.start) / len(x)
            cost += share * its_cost
            with quiet():
                vector += share * its.vector
    except NonFiniteError:
        vector.fill(np.nan)
    with quiet():
        if isfinite(cost) and isfinite(np.vdot(vector, vector)):
            return cost, Parameters(parameters.architecture, vector)
    found = backprop(NUMPY, parameters, x, y)
    return found.cost, found.gradient


def _pieces(x: Array, rows: int) -> Sequence[slice]:
    """As few as can be, and as even."""
    total = x.shape[0]
    count = max(1, -(-total // rows))
    length = -(-total // count)
    return [slice(start, min(start + length, total)) for start in range(0, total, max(1, length))]
