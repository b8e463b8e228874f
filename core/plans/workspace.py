"""Compiled passes for whichever parameters of one architecture are at hand: they are copied in where they are not in already.

Invariant: what `predict`, `backprop` and `sgd_step` answer, up to rounding, and what they raise. A vector that was given is never
written to afterwards, by the caller either: it is known again by its identity.
"""

from __future__ import annotations

import sys
from math import isfinite, sqrt
from typing import Final

from core.finite import quiet_context
from core.network import Architecture, Parameters
from core.optimizers import OptimizerState, Options, update
from core.pieces import Between, backprop_by_pieces, predict_by_pieces
from core.plans.gradients import Gradients
from core.plans.predictor import Predictor
from core.plans.working import Working
from core.step import Step, gradient_norm, require_finite_step
from core.types import NUMPY, Array

__all__ = ["ALL", "Workspace"]

ALL: Final = sys.maxsize
"""Rows: as many as there are."""

_SQUARES: Final = (1e-30, 1e30)
"""Squared norms in between are sums in which nothing that matters was lost or overflowed, in float32 too."""


class Workspace:
    """Passes through networks of one architecture; for NumPy, one thread at a time.

    Args:
        between: called before each of the pieces that a batch is worked on in; what it raises ends the work.
    """

    def __init__(self, architecture: Architecture, between: Between = lambda: None) -> None:
        self._between = between
        self._working = Working(architecture)
        start = self._working.parameters()
        self._predictor = Predictor(start, self._working)
        self._gradients = Gradients(start, self._working)
        self._quietly = quiet_context()

    def predict(self, parameters: Parameters, x: Array, rows: int = ALL) -> Array:
        """As `core.predict`, so many `rows` at most at a time."""
        self._predictor.parameters = parameters
        return predict_by_pieces(self._predictor.predict, parameters, x, rows, self._between)

    def backprop(self, parameters: Parameters, x: Array, y: Array, rows: int = ALL) -> tuple[float, Parameters]:
        """C and its mean gradient, as `core.backprop` finds them, so many `rows` at most at a time."""
        self._gradients.parameters = parameters
        return backprop_by_pieces(self._gradients.backprop, parameters, x, y, rows, self._between)

    def step(
        self,
        parameters: Parameters,
        state: OptimizerState | None,
        x: Array,
        y: Array,
        options: Options,
        rows: int = ALL,
    ) -> Step:
        """As `core.sgd_step`, so many `rows` at most at a time."""
        cost, gradient = self.backprop(parameters, x, y, rows)
        norm = _norm(gradient)
        moved, following = self._quietly.run(
            update, NUMPY, parameters.architecture, parameters.vector, gradient.vector, norm, state, options
        )
        step = Step(Parameters(parameters.architecture, moved), following, cost, norm)
        if not self._quietly.run(_is_finite, step):
            require_finite_step(NUMPY, step)
        return step

    @property
    def nbytes(self) -> int:
        """Bytes of everything that is kept."""
        return self._working.vector.nbytes + self._predictor.nbytes + self._gradients.nbytes


def _norm(gradient: Parameters) -> float:
    """The global L2 norm: one product where its square is an ordinary number."""
    square = float(gradient.vector.dot(gradient.vector))
    return sqrt(square) if _SQUARES[0] < square < _SQUARES[1] else gradient_norm(NUMPY, gradient)


def _is_finite(step: Step) -> bool:
    """Whether a sum of squares is, which then all numbers are; False says nothing."""
    arrays = [step.parameters.vector, *(array for array in step.state.arrays.values() if array.ndim)]
    return all(isfinite(array.dot(array)) for array in arrays)
