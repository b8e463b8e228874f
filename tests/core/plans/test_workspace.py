"""A workspace answers what the plain functions answer, whichever parameters it was given last."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from core import (
    Architecture,
    InvalidBatch,
    Layer,
    NonFiniteError,
    Parameters,
    backprop,
    make_options,
    predict,
    sgd_step,
)
from core.plans.workspace import Workspace
from tests.core.drawing import draws
from tests.core.plans.runs import XP, Run, batch_of, close, parameters_of, runs


@draws(200)
@given(run=runs())
def test_a_run_of_steps_as_sgd_step(run: Run) -> None:
    workspace = Workspace(run.start.architecture)
    mine, plain = (run.start, None), (run.start, None)
    for x, y in run.batches:
        close(workspace.predict(mine[0], x), predict(XP, plain[0], x), run.tolerance)
        cost, gradient = workspace.backprop(mine[0], x, y)
        found = backprop(XP, plain[0], x, y)
        close(np.array(cost), np.array(found.cost), run.tolerance)
        close(gradient.vector, found.gradient.vector, run.tolerance)
        step = workspace.step(*mine, x, y, run.options)
        wanted = sgd_step(XP, *plain, x, y, run.options)
        close(step.parameters.vector, wanted.parameters.vector, run.tolerance)
        close(np.array([step.cost, step.gradient_norm]), np.array([wanted.cost, wanted.gradient_norm]), run.tolerance)
        assert step.state.arrays.keys() == wanted.state.arrays.keys()
        mine, plain = (step.parameters, step.state), (wanted.parameters, wanted.state)


SMALL = Architecture(6, (Layer(5, "sigmoid"), Layer(4, "sigmoid")), "quadratic")


def test_networks_of_one_architecture_in_turn() -> None:
    rng = np.random.default_rng(0)
    one, other = parameters_of(SMALL, rng), parameters_of(SMALL, rng)
    x, _ = batch_of(SMALL, 3, rng)
    workspace = Workspace(SMALL)
    for parameters in (one, other, one, one, other):
        close(workspace.predict(parameters, x), predict(XP, parameters, x), 1e-6)


def test_nothing_that_was_given_is_written_to() -> None:
    rng = np.random.default_rng(0)
    start = parameters_of(SMALL, rng)
    start.vector.flags.writeable = False
    x, y = batch_of(SMALL, 3, rng)
    options = make_options("sgd", {"learning_rate": 0.1, "momentum": 0.9})
    workspace = Workspace(SMALL)
    first = workspace.step(start, None, x, y, options)
    kept = first.parameters.vector.copy(), first.state.arrays["velocity"].copy()
    workspace.step(first.parameters, first.state, x, y, options)
    assert np.array_equal(first.parameters.vector, kept[0])
    assert np.array_equal(first.state.arrays["velocity"], kept[1])


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e18])
def test_norms_whose_squares_are_no_float32(scale: float) -> None:
    rng = np.random.default_rng(0)
    linear = Architecture(6, (Layer(4, "identity"),), "quadratic")
    parameters = parameters_of(linear, rng)
    parameters = Parameters(linear, parameters.vector * np.float32(scale))
    x, y = batch_of(linear, 3, rng)
    options = make_options("sgd", {"learning_rate": 0.0})
    step = Workspace(linear).step(parameters, None, x, y * np.float32(scale), options)
    wanted = sgd_step(XP, parameters, None, x, y * np.float32(scale), options)
    assert step.gradient_norm == pytest.approx(wanted.gradient_norm, rel=1e-5)
    assert step.gradient_norm > 0


def test_what_leaves_the_finite_numbers_is_named_as_sgd_step_names_it() -> None:
    rng = np.random.default_rng(0)
    linear = Architecture(6, (Layer(5, "identity"), Layer(4, "identity")), "quadratic")
    parameters, (x, y) = parameters_of(linear, rng), batch_of(linear, 3, rng)
    options = make_options("sgd", {"learning_rate": 3e38})
    with pytest.raises(NonFiniteError) as wanted:
        sgd_step(XP, parameters, None, x, y * 1e3, options)
    with pytest.raises(NonFiniteError) as found:
        Workspace(linear).step(parameters, None, x, y * 1e3, options)
    assert str(found.value) == str(wanted.value)


def test_a_weighted_input_that_overflows_is_an_error_though_sigmoid_brings_it_back() -> None:
    vector = np.full(SMALL.parameter_count, 3e38, np.float32)
    parameters = Parameters(SMALL, vector)
    x, y = np.full((2, 6), 10, np.float32), np.zeros((2, 4), np.float32)
    with pytest.raises(NonFiniteError) as wanted:
        backprop(XP, parameters, x, y)
    workspace = Workspace(SMALL)
    with pytest.raises(NonFiniteError) as found:
        workspace.backprop(parameters, x, y)
    assert str(found.value) == str(wanted.value)
    with pytest.raises(NonFiniteError):
        workspace.predict(parameters, x)


def test_batches_that_do_not_fit() -> None:
    workspace, parameters = Workspace(SMALL), parameters_of(SMALL, np.random.default_rng(0))
    with pytest.raises(InvalidBatch):
        workspace.predict(parameters, np.zeros((2, 5), np.float32))
    with pytest.raises(InvalidBatch):
        workspace.backprop(parameters, np.zeros((2, 6), np.float32), np.zeros((3, 4), np.float32))


def test_its_memory_is_counted() -> None:
    rng = np.random.default_rng(0)
    workspace, parameters = Workspace(SMALL), parameters_of(SMALL, rng)
    empty = workspace.nbytes
    assert empty == 2 * parameters.vector.nbytes
    workspace.predict(parameters, batch_of(SMALL, 7, rng)[0])
    assert workspace.nbytes == empty + 2 * 6 * 7 * 4
