"""Starts: equal for equal seeds, in both dtypes and for all time, and drawn from the distributions that they are named after."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest

from core import INITIALIZERS, Architecture, InvalidArchitecture, Layer, Parameters, initialize

SMALL = Architecture(2, (Layer(2, "tanh"), Layer(1, "sigmoid")), "quadratic", "float64")
WIDE = Architecture(400, (Layer(300, "tanh"), Layer(200, "sigmoid")), "quadratic", "float64")
FIRST_WEIGHTS = {  # of SMALL from seed 0: a start that was given out once must come back in every later release
    "gaussian": [0.12573022, -0.13210486, 0.64042265, 0.10490012],
    "scaled_gaussian": [0.08890469, -0.09341224, 0.45284720, 0.07417559],
    "xavier_uniform": [0.33548625, -0.56390508, -1.12438064, -1.18426060],
    "he_normal": [0.12573022, -0.13210486, 0.64042265, 0.10490012],
    "zeros": [0.0, 0.0, 0.0, 0.0],
}


def wide(initializer: str, seed: int = 1) -> Any:
    return Parameters(WIDE, initialize(WIDE, initializer, seed))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_start_is_its_seed_in_both_dtypes_and_for_all_time(name: str) -> None:
    vector = initialize(SMALL, name, 0)
    np.testing.assert_allclose(vector[:4], FIRST_WEIGHTS[name], rtol=1e-7, atol=5e-9)
    np.testing.assert_array_equal(initialize(SMALL, name, 0), vector)
    narrow = initialize(replace(SMALL, dtype="float32"), name, 0)
    assert (vector.dtype, narrow.dtype) == ("float64", "float32")
    np.testing.assert_array_equal(narrow, vector.astype("float32"))
    assert (initialize(SMALL, name, 1) == vector).all() == (name == "zeros")


def test_the_activation_and_the_cost_do_not_change_a_start() -> None:
    other = Architecture(2, (Layer(2, "relu"), Layer(1, "softmax")), "cross_entropy", "float64")
    np.testing.assert_array_equal(initialize(other, "gaussian", 5), initialize(SMALL, "gaussian", 5))


def test_the_largest_seed_is_a_seed() -> None:
    assert np.isfinite(initialize(SMALL, "gaussian", 2**53 - 1)).all()


def test_the_names_are_the_contract() -> None:
    assert list(INITIALIZERS) == ["gaussian", "scaled_gaussian", "xavier_uniform", "he_normal", "zeros"]
    with pytest.raises(InvalidArchitecture) as caught:
        initialize(SMALL, "lecun", 0)
    assert caught.value.path == ("initializer",)


SPREADS = {  # the standard deviations of the weights for n_in inputs and n_out units, and of the biases
    "gaussian": (lambda n_in, n_out: 1.0, 1.0),
    "scaled_gaussian": (lambda n_in, n_out: 1 / sqrt(n_in), 1.0),
    "xavier_uniform": (lambda n_in, n_out: sqrt(2 / (n_in + n_out)), 0.0),
    "he_normal": (lambda n_in, n_out: sqrt(2 / n_in), 0.0),
    "zeros": (lambda n_in, n_out: 0.0, 0.0),
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_spreads(name: str) -> None:
    spread, of_biases = SPREADS[name]
    for held in wide(name).layers:
        n_out, n_in = held.weights.shape
        expected = spread(n_in, n_out)
        np.testing.assert_allclose(held.weights.std(), expected, rtol=0.02)
        assert abs(held.weights.mean()) <= 0.02 * expected
        np.testing.assert_allclose(held.biases.std(), of_biases, rtol=0.2)


def test_the_uniform_stays_within_its_edges_and_the_normal_does_not() -> None:
    weights = wide("xavier_uniform").layers[0].weights
    edge = sqrt(6 / 700)
    assert 0.99 * edge < abs(weights).max() <= edge
    assert abs(wide("he_normal").layers[0].weights).max() > 3.5 * sqrt(2 / 400)
