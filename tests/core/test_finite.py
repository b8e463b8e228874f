"""What leaves the finite numbers is reported with the first layer that it left in, and nothing of NumPy's is heard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core import Architecture, Layer, NonFiniteError, Parameters, backprop, feedforward, input_gradient, predict
from core.backprop import per_example_gradients
from core.finite import quiet
from core.types import Array
from tests.core.drawing import FLOAT_NAMES

LARGEST = {"float32": 3e38, "float64": 1.5e308}


def network(names: tuple[str, ...], cost: str, layers: list[tuple[Any, Any]], dtype: str) -> Parameters:
    architecture = Architecture(1, tuple(Layer(1, name) for name in names), cost, dtype)  # one neuron a layer
    pieces = [(np.array([[w]], dtype), np.array([b], dtype)) for w, b in layers]
    return Parameters.from_layers(np, architecture, pieces)


def refused(run: Any) -> tuple[int | None, str]:
    with pytest.raises(NonFiniteError) as caught:
        run()
    assert caught.value.quantity in str(caught.value)
    return caught.value.layer, caught.value.quantity


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_the_first_layer_is_named_on_the_way_forward(dtype: str) -> None:
    big = LARGEST[dtype]
    one: Array = np.ones((1, 1), dtype)
    parameters = network(("identity",) * 3, "quadratic", [(1, 0), (big, big), (1, 0)], dtype)
    for run in (feedforward, predict):
        assert refused(lambda run=run: run(np, parameters, one)) == (3, "weighted inputs")


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_a_cost_is_of_the_last_layer(dtype: str) -> None:
    parameters = network(("identity",) * 2, "quadratic", [(1, 0), (LARGEST[dtype], 0)], dtype)
    x: Array = np.ones((1, 1), dtype)
    assert refused(lambda: backprop(np, parameters, x, 0 * x)) == (3, "cost")


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_the_last_layer_is_the_first_on_the_way_back(dtype: str) -> None:
    root = LARGEST[dtype] ** 0.5
    x: Array = np.ones((1, 1), dtype)
    # a^4 = 1 and delta^4 = root: delta^3 = big, and delta^2 = root big has left.
    parameters = network(("identity",) * 3, "mean_absolute_error", [(0, 0), (root * 2, 0), (root, 0)], dtype)
    assert refused(lambda: backprop(np, parameters, x, x)) == (2, "errors")


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_gradients_are_watched(dtype: str) -> None:
    big = LARGEST[dtype]
    parameters = network(("identity",) * 2, "mean_absolute_error", [(1e-30, 0), (8, 0)], dtype)
    x: Array = np.array([[big], [0.0]], dtype)
    assert refused(lambda: backprop(np, parameters, x, x)) == (2, "gradient")
    x = np.array([[big], [-big]], dtype)  # the mean is 0 or no number, each example's is too large
    small = network(("identity",) * 2, "mean_absolute_error", [(1e-30, 0), (1, 0)], dtype)
    found = backprop(np, small, x / 8, x / 8)
    heavy = type(found)(found.cost, found.trace, (16 * found.errors[0], found.errors[1]), found.gradient)
    assert refused(lambda: per_example_gradients(np, heavy)) == (2, "per-example gradient")


def test_the_input_gradient_is_watched() -> None:
    parameters = network(("identity",) * 2, "mean_absolute_error", [(1e200, 0), (1e200, 0)], "float64")
    x: Array = np.zeros((1, 1))
    found = backprop(np, parameters, x, x + 1)
    assert refused(lambda: input_gradient(np, parameters, found)) == (2, "input gradient")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_comes_in_is_no_exception(bad: float) -> None:
    parameters = network(("tanh", "identity"), "quadratic", [(1, 0), (1, 0)], "float64")
    x: Array = np.ones((2, 1))
    assert refused(lambda: feedforward(np, parameters, np.array([[1.0], [np.nan]])))[0] == 2
    assert refused(lambda: backprop(np, parameters, x, np.array([[1.0], [bad]])))[0] == 3
    broken = Parameters(parameters.architecture, np.array([1.0, 0, bad, 0]))
    assert refused(lambda: feedforward(np, broken, x)) == (3, "weighted inputs")


def test_an_input_too_large_for_the_network_is_reported_not_warned_of() -> None:
    parameters = network(("tanh",), "quadratic", [(1, 0)], "float32")
    assert refused(lambda: feedforward(np, parameters, np.array([[1e300]]))) == (2, "weighted inputs")


def test_silence_ends_where_it_should() -> None:
    with quiet():
        np.array([1e308]) * 10
    with pytest.raises(RuntimeWarning, match="overflow"):
        np.array([1e308]) * 10
