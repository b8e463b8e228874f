"""`Predictor` answers what `predict` answers and raises what it raises, from two buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import (
    ACTIVATIONS,
    Architecture,
    InvalidBatch,
    Layer,
    NonFiniteError,
    Parameters,
    Predictor,
    feedforward,
    predict,
)
from tests.core.drawing import FLOAT_NAMES, draws
from tests.core.plans.runs import XP, architectures, close, parameters_of


@draws(300)
@given(
    architecture=architectures(), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), seed=st.integers(0, 2**32)
)
def test_as_predict(architecture: Architecture, sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters = parameters_of(architecture, rng)
    predictor = Predictor(parameters)
    tolerance = 1e-14 if architecture.dtype == "float64" else 1e-5
    for size in sizes:
        x = rng.standard_normal((size, architecture.inputs)).astype(rng.choice(FLOAT_NAMES))[:: rng.choice([1, -1])]
        close(predictor.predict(x), predict(XP, parameters, x), tolerance)


def network(names: tuple[str, ...], dtype: Any = "float32", width: int = 4) -> Parameters:
    layers = tuple(Layer(width, name) for name in names)
    return parameters_of(Architecture(width, layers, "quadratic", dtype), np.random.default_rng(0))


def test_two_buffers_of_the_widest_layer() -> None:
    layers = tuple(Layer(units, "relu") for units in (3, 50, 7, 7, 7, 7))
    predictor = Predictor(parameters_of(Architecture(5, layers, "quadratic", "float32"), np.random.default_rng(0)))
    predictor.predict(np.ones((10, 5)))
    assert predictor.nbytes == 2 * 10 * 51 * 4


def test_the_passes_are_bounded() -> None:
    predictor = Predictor(network(("tanh", "tanh")))
    for size in range(1, 20):
        predictor.predict(np.ones((size, 4)))
    assert predictor.nbytes == 2 * (16 + 17 + 18 + 19) * 5 * 4


def test_an_answer_stays_and_the_question_too() -> None:
    predictor, x = Predictor(network(("relu", "softmax"))), np.ones((3, 4), np.float32)
    first = predictor.predict(x)
    kept = first.copy()
    predictor.predict(-x)
    assert np.array_equal(first, kept)
    assert np.array_equal(x, np.ones((3, 4)))


@pytest.mark.parametrize("shape", [(3, 5), (0, 4), (4,), (1, 3, 4)])
def test_inputs_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidBatch):
        Predictor(network(("tanh",))).predict(np.ones(shape))


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize("layer", [2, 3, 4])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_what_leaves_the_finite_numbers_is_named_as_predict_does(name: str, layer: int, dtype: str) -> None:
    """Also where the activation would bring it back: sigmoid of an infinity is 1. Warnings are errors here."""
    parameters, x, large = network((name, name, name), dtype), np.ones((2, 4), dtype), np.finfo(dtype).max
    vector, below = parameters.vector.copy(), feedforward(XP, parameters, x).input_of(layer - 2)[0]
    place = parameters.architecture.layout[layer - 2]
    vector[place.start : place.split] = np.tile(large * np.sign(below), place.rows)
    vector[place.split : place.stop] = large
    broken = Parameters(parameters.architecture, vector)
    with pytest.raises(NonFiniteError) as wanted:
        predict(XP, broken, x)
    with pytest.raises(NonFiniteError) as found:
        Predictor(broken).predict(x)
    assert (found.value.layer, str(found.value)) == (wanted.value.layer, str(wanted.value))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_inputs_that_are_not_finite(value: float) -> None:
    with pytest.raises(NonFiniteError, match="weighted inputs of layer 2"):
        Predictor(network(("sigmoid",))).predict(np.full((1, 4), value))


def test_numbers_so_large_that_their_squares_are_not_finite_are_still_answered() -> None:
    parameters, x = network(("identity", "tanh")), np.full((2, 4), 1e30, np.float32)
    close(Predictor(parameters).predict(x), predict(XP, parameters, x), 1e-6)
