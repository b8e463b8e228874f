"""The working copy: the same numbers in another order, in and out without a loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core import Architecture, Layer, Parameters
from core.plans.working import Working
from tests.core.drawing import draws
from tests.core.plans.runs import parameters_of


@st.composite
def drawn(draw: st.DrawFn) -> Parameters:
    inputs, *units = draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    dtype: Any = draw(st.sampled_from(["float32", "float64"]))
    layers = tuple(Layer(each, "tanh") for each in units)
    return parameters_of(
        Architecture(inputs, layers, "quadratic", dtype), np.random.default_rng(draw(st.integers(0, 99)))
    )


@draws(100)
@given(parameters=drawn())
def test_the_same_numbers_come_out(parameters: Parameters) -> None:
    working = Working.of(parameters)
    assert sorted(working.vector) == sorted(parameters.vector)
    out = working.parameters()
    assert out.vector.tobytes() == parameters.vector.tobytes()
    assert out.vector.dtype == parameters.vector.dtype
    working.vector[:] = 0
    assert out.vector.tobytes() == parameters.vector.tobytes(), "what came out is not a copy"


@draws(100)
@given(parameters=drawn())
def test_biases_are_the_weights_of_a_neuron_that_is_one(parameters: Parameters) -> None:
    working = Working.of(parameters)
    for both, layer in zip(working.joined, parameters.layers[1:], strict=True):
        a = np.ones(both.shape[1], both.dtype)
        np.testing.assert_allclose(both @ a, layer.weights.sum(axis=1) + layer.biases, rtol=1e-5, atol=1e-6)
        assert np.array_equal(both[:, 0], layer.biases)


def test_a_vector_that_is_held_is_not_copied_again() -> None:
    architecture = Architecture(2, (Layer(3, "tanh"),), "quadratic", "float64")
    one, other = (parameters_of(architecture, np.random.default_rng(seed)) for seed in (0, 1))
    working = Working(architecture)
    working.hold(one)
    working.vector[0] = 7.0
    working.hold(one)
    assert working.vector[0] == 7.0
    working.hold(other)
    assert working.parameters().vector.tobytes() == other.vector.tobytes()
