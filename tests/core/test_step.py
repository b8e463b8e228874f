"""One step: the parameters move against the mean gradient, and what is reported is from before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core import OPTIMIZERS, NonFiniteError, Parameters, backprop, make_options, sgd_step
from core.step import gradient_norm
from tests.core.drawing import FLOAT_NAMES, Case, case_of


def drawn(dtype: str = "float64") -> Case:
    return case_of((3, 4, 2), ["tanh", "sigmoid"], "quadratic", 5, 11, dtype)


def test_plain_descent_by_hand() -> None:
    case = drawn()
    found = backprop(np, case.parameters, case.x, case.y)
    step = sgd_step(np, case.parameters, None, case.x, case.y, make_options("sgd", {"learning_rate": 3.0}))
    np.testing.assert_allclose(step.parameters.vector, case.parameters.vector - 3.0 * found.gradient.vector, rtol=1e-15)
    assert step.cost == found.cost
    np.testing.assert_allclose(step.gradient_norm, np.linalg.norm(found.gradient.vector), rtol=1e-14)


def test_the_reported_norm_is_from_before_clipping() -> None:
    case = drawn()
    free = sgd_step(np, case.parameters, None, case.x, case.y, make_options("sgd", {"learning_rate": 1.0}))
    options = make_options("sgd", {"learning_rate": 1.0, "clip_norm": free.gradient_norm / 4})
    clipped = sgd_step(np, case.parameters, None, case.x, case.y, options)
    assert clipped.gradient_norm == free.gradient_norm
    moved = np.linalg.norm(clipped.parameters.vector - case.parameters.vector)
    np.testing.assert_allclose(moved, free.gradient_norm / 4, rtol=1e-4)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_kind_makes_the_cost_smaller_and_writes_to_nothing(kind: str) -> None:
    case = drawn()
    for array in (case.parameters.vector, case.x, case.y):
        array.flags.writeable = False
    parameters, state, costs = case.parameters, None, []
    for _ in range(60):
        step = sgd_step(np, parameters, state, case.x, case.y, make_options(kind, {"learning_rate": 0.05}))
        assert step.parameters.vector is not parameters.vector
        parameters, state = step.parameters, step.state
        costs.append(step.cost)
    assert costs[-1] < costs[0]


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_the_dtype_of_the_network_stays(dtype: str) -> None:
    case = drawn(dtype)
    step = sgd_step(np, case.parameters, None, case.x, case.y, make_options("nadam", {"clip_norm": 0.1}))
    assert step.parameters.vector.dtype == dtype
    assert isinstance(step.cost, float)
    assert isinstance(step.gradient_norm, float)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e30])
def test_the_norm_neither_overflows_nor_vanishes_in_float32(scale: float) -> None:
    case = drawn("float32")
    vector = (np.linspace(-1, 1, case.parameters.vector.size) * scale).astype("float32")
    expected = np.linalg.norm(vector.astype("float64"))
    found = gradient_norm(np, Parameters(case.architecture, vector))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def overflowing(kind: str, dtype: str, **values: Any) -> NonFiniteError:
    case = drawn(dtype)
    with pytest.raises(NonFiniteError) as caught:
        sgd_step(np, case.parameters, None, case.x, case.y, make_options(kind, values))
    return caught.value


def test_an_update_that_leaves_the_finite_numbers_is_refused_with_its_layer() -> None:
    assert overflowing("sgd", "float64", learning_rate=1e308, weight_decay=1e308).layer == 2
    assert overflowing("sgd", "float32", learning_rate=3e38, weight_decay=3e38).layer == 2
    error = overflowing("adagrad", "float32", initial_accumulator_value=1e39)
    assert (error.layer, error.quantity) == (2, "optimizer's sum")


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_the_layer_of_an_update_that_leaves_is_the_one_that_left(dtype: str) -> None:
    case = drawn(dtype)
    vector = case.parameters.vector.copy()
    vector[case.architecture.layout[1].start] = float(np.finfo(dtype).max) / 1e6
    options = make_options("sgd", {"learning_rate": 1.0, "weight_decay": 1e9})
    with pytest.raises(NonFiniteError, match="layer 3") as caught:
        sgd_step(np, Parameters(case.architecture, vector), None, case.x, case.y, options)
    assert caught.value.layer == 3


def test_a_norm_that_overflows_names_the_layer_of_its_largest_entry() -> None:
    case = drawn("float32")
    vector = np.full(case.parameters.vector.size, 2e38, "float32")
    vector[-1] = 3e38
    with pytest.raises(NonFiniteError) as caught:
        gradient_norm(np, Parameters(case.architecture, vector))
    assert (caught.value.layer, caught.value.quantity) == (3, "gradient norm")
