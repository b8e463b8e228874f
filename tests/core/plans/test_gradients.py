"""`Gradients` answers what `backprop` answers, and lets nothing out that is not finite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from core import Architecture, Gradients, InvalidBatch, Layer, NonFiniteError, backprop
from tests.core.drawing import draws
from tests.core.plans.runs import XP, Run, batch_of, close, parameters_of, runs


@draws(300)
@given(run=runs())
def test_as_backprop(run: Run) -> None:
    gradients = Gradients(run.start)
    kept = []
    for x, y in run.batches:
        cost, gradient = gradients.backprop(x, y)
        wanted = backprop(XP, run.start, x, y)
        close(np.array(cost), np.array(wanted.cost), run.tolerance)
        close(gradient.vector, wanted.gradient.vector, run.tolerance)
        kept.append((gradient.vector, gradient.vector.copy()))
    assert all(np.array_equal(vector, copy) for vector, copy in kept)


def gradients_of(activation: str) -> tuple[Gradients, tuple[np.ndarray, np.ndarray]]:
    architecture, rng = (
        Architecture(6, (Layer(5, activation), Layer(4, activation)), "quadratic"),
        np.random.default_rng(0),
    )
    return Gradients(parameters_of(architecture, rng)), batch_of(architecture, 8, rng)


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "gelu"])
def test_what_leaves_the_finite_numbers_is_an_error_and_no_warning(activation: str) -> None:
    gradients, (x, y) = gradients_of(activation)
    with pytest.raises(NonFiniteError) as failure:
        gradients.backprop(x, np.full_like(y, np.finfo(np.float32).max))
    assert failure.value.layer == 3
    cost, gradient = gradients.backprop(x, y)
    assert np.isfinite(cost)
    assert np.isfinite(gradient.vector).all()


def test_batches_that_do_not_fit() -> None:
    gradients, (x, y) = gradients_of("tanh")
    for bad_x, bad_y in ((x[:, :5], y), (x, y[:7]), (x, np.zeros(8, np.int64))):
        with pytest.raises(InvalidBatch):
            gradients.backprop(bad_x, bad_y)


def test_the_memory_is_bounded() -> None:
    gradients, (x, y) = gradients_of("tanh")
    empty = gradients.nbytes
    for size in range(1, 9):
        gradients.backprop(x[:size], y[:size])
    assert gradients.nbytes - empty == (5 + 6 + 7 + 8) * 4 * (6 + 5) * 4
