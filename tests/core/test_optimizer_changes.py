"""Optimizers whose options change between the calls: they go on as one parameter at a time does, and forget at the right time."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import OPTIMIZERS, OptimizerState, make_options, sgd_step
from core.optimizers import update
from core.types import NUMPY
from tests.core.drawing import FLOAT_NAMES, Case, case_of, draws
from tests.core.scalar_optimizers import DEFAULTS, STEPS, Memory, clip

small = st.floats(0, 0.95)
limit = st.none() | st.floats(0, 2)
COMMON = {
    "learning_rate": st.floats(0, 0.5),
    "weight_decay": st.just(0.0) | st.floats(0, 0.5),
    "decay_biases": st.booleans(),
    "clip_norm": limit,
    "clip_value": limit,
}
OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "sgd": {"momentum": st.just(0.0) | st.floats(0, 1), "dampening": st.just(0.0) | st.floats(-0.5, 1.5)},
    "adam": {"betas": st.tuples(small, small), "eps": st.floats(1e-8, 0.1), "amsgrad": st.booleans()},
    "adamw": {"betas": st.tuples(small, small), "eps": st.floats(1e-8, 0.1), "amsgrad": st.booleans()},
    "nadam": {"betas": st.tuples(small, small), "eps": st.floats(1e-8, 0.1), "momentum_decay": st.floats(0, 1)},
    # The variance of a centered rmsprop is a difference: near 0, both readings of it are made of rounding.
    "rmsprop": {
        "alpha": small,
        "eps": st.floats(1e-3, 0.1),
        "momentum": st.just(0.0) | small,
        "centered": st.booleans(),
    },
    "adagrad": {
        "lr_decay": st.floats(0, 1),
        "initial_accumulator_value": st.floats(0, 2),
        "eps": st.floats(1e-10, 0.1),
    },
    "adadelta": {"rho": st.floats(0, 1), "eps": st.floats(1e-6, 0.1)},
}
KINDS = list(OWN)


@st.composite
def option_values(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    values: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={**COMMON, **OWN[kind]}))
    if kind == "sgd" and values.get("momentum") and not values.get("dampening") and draw(st.booleans()):
        values["nesterov"] = True
    return values


def net(dtype: str = "float64") -> Case:
    return case_of((2, 3, 2), ["tanh", "sigmoid"], "quadratic", 4, 11, dtype)


CASE = net()
BIASES = {index for place in CASE.architecture.layout for index in range(place.split, place.stop)}


def run(kind: str, values: dict[str, Any], theta: Any, gradient: Any, state: OptimizerState | None) -> Any:
    norm = float(np.linalg.norm(gradient))
    with np.errstate(all="ignore"):
        return update(NUMPY, CASE.architecture, theta, gradient, norm, state, make_options(kind, values))


def one_by_one(
    kind: str, values: dict[str, Any], theta: list[float], gradient: list[float], memories: list[Memory]
) -> list[float]:
    options = {**DEFAULTS[kind], **values}
    g = clip(gradient, options.get("clip_norm"), options.get("clip_value"))
    everywhere = options.get("decay_biases", True)
    return [STEPS[kind](theta[i], g[i], memories[i], options, everywhere or i not in BIASES) for i in range(len(theta))]


@pytest.mark.parametrize("kind", KINDS)
def test_equals_one_parameter_at_a_time_whatever_options_change(kind: str) -> None:
    @draws(25)
    @given(data=st.data(), seed=st.integers(0, 2**32 - 1))
    def agree(data: st.DataObject, seed: int) -> None:
        rng = np.random.default_rng(seed)
        theta = rng.standard_normal(CASE.architecture.parameter_count)
        wanted, state = theta.tolist(), None
        memories: list[Memory] = [{} for _ in wanted]
        values = data.draw(option_values(kind))
        for turn in range(6):
            if turn == 3:
                values = data.draw(option_values(kind))
            gradient = rng.standard_normal(len(theta)) * (rng.random(len(theta)) < 0.8)
            wanted = one_by_one(kind, values, wanted, gradient.tolist(), memories)
            theta, state = run(kind, values, theta, gradient, state)
            np.testing.assert_allclose(theta, wanted, rtol=1e-11, atol=1e-11)

    agree()


def test_the_kinds_and_defaults_are_those_of_pytorch() -> None:
    assert list(OPTIMIZERS) == KINDS
    for kind in KINDS:
        options = make_options(kind, {})
        common = {"clip_norm": None, "clip_value": None, "decay_biases": True}
        assert {field.name: getattr(options, field.name) for field in fields(options)} == {**DEFAULTS[kind], **common}


def test_dampening_spares_the_first_step() -> None:
    gradient = np.ones(CASE.architecture.parameter_count)
    theta, state = run("sgd", {"learning_rate": 1.0, "momentum": 0.5, "dampening": 0.25}, 0 * gradient, gradient, None)
    assert set(theta.tolist()) == {-1.0}
    theta, _ = run("sgd", {"learning_rate": 1.0, "momentum": 0.5, "dampening": 0.25}, theta, gradient, state)
    assert set(theta.tolist()) == {-2.25}


def remembered(kind: str, state: OptimizerState) -> set[str]:
    assert state.kind == kind
    return set(state.arrays)


@pytest.mark.parametrize(
    ("kind", "values", "names"),
    [
        ("sgd", {}, set()),
        ("sgd", {"momentum": 0.9}, {"velocity"}),
        ("adam", {}, {"step", "mean", "square"}),
        ("adam", {"amsgrad": True}, {"step", "mean", "square", "largest_square"}),
        ("adamw", {}, {"step", "mean", "square"}),
        ("nadam", {}, {"step", "mean", "square", "momentum_product"}),
        ("rmsprop", {}, {"square"}),
        ("rmsprop", {"momentum": 0.9, "centered": True}, {"square", "mean", "velocity"}),
        ("adagrad", {}, {"step", "sum"}),
        ("adadelta", {}, {"square", "update_square"}),
    ],
)
def test_what_is_remembered_stays_while_the_kind_stays(kind: str, values: dict[str, Any], names: set[str]) -> None:
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(CASE.architecture.parameter_count)
    _, state = run(kind, values, theta, theta, None)
    assert remembered(kind, state) == names
    _, plain = run(kind, {}, theta, theta, state)
    assert names <= remembered(kind, plain), "an option that changes gives up nothing"


@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", KINDS)
def test_another_kind_starts_from_nothing(before: str, after: str) -> None:
    theta = np.linspace(-1, 1, CASE.architecture.parameter_count)
    values = {"momentum": 0.9} if before == "sgd" else {}
    _, state = run(before, values, theta, theta, None)
    goes_on, _ = run(after, {"momentum": 0.9} if after == "sgd" else {}, theta, theta, state)
    anew, _ = run(after, {"momentum": 0.9} if after == "sgd" else {}, theta, theta, None)
    assert np.array_equal(goes_on, anew) == (before != after)


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_dtype_stays_and_nothing_is_written_to(kind: str, dtype: str) -> None:
    case = net(dtype)
    values = {"weight_decay": 0.1, "decay_biases": False, "clip_norm": 0.5, "clip_value": 0.2}
    own = {"sgd": {"momentum": 0.9}, "adam": {"amsgrad": True}, "rmsprop": {"momentum": 0.9, "centered": True}}
    options = make_options(kind, {**values, **own.get(kind, {})})
    parameters, state = case.parameters, None
    for _ in range(3):
        for array in (parameters.vector, case.x, case.y, *(state.arrays.values() if state else ())):
            array.flags.writeable = False
        step = sgd_step(NUMPY, parameters, state, case.x, case.y, options)
        parameters, state = step.parameters, step.state
        assert parameters.vector.dtype == dtype
        for name, array in state.arrays.items():
            assert isinstance(array, np.ndarray)
            # Two numbers that a float32 would spoil: a count, and a product of many factors.
            assert array.dtype == {"step": "int64", "momentum_product": "float64"}.get(name, dtype)
            assert array.shape == (() if name in {"step", "momentum_product"} else parameters.vector.shape)


def test_a_gradient_of_zero_is_no_division_by_zero() -> None:
    zero = np.zeros(CASE.architecture.parameter_count)
    for kind in KINDS:
        theta, state = run(kind, {}, zero + 1.0, zero, None)
        assert np.isfinite(theta).all()
        assert all(np.isfinite(array).all() for array in state.arrays.values())
