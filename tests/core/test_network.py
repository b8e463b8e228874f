"""What a network is: its sizes, its flat order, its layers as views of one vector, and what cannot be one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Architecture, InvalidArchitecture, InvalidBatch, Layer, Parameters
from core.costs import LAST_LAYERS
from tests.core.drawing import FLOAT_NAMES, draws

SMALL = Architecture(2, (Layer(3, "tanh"), Layer(1, "sigmoid")), "quadratic", "float64")


def test_the_flat_order_is_weights_row_by_row_then_biases_layer_by_layer() -> None:
    parameters = Parameters(SMALL, np.arange(13.0))
    two, three = parameters.layers
    assert (two.layer, three.layer) == (2, 3)
    assert two.weights.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert two.biases.tolist() == [6, 7, 8]
    assert three.weights.tolist() == [[9, 10, 11]]
    assert three.biases.tolist() == [12]
    assert SMALL.sizes == (2, 3, 1)
    assert SMALL.parameter_count == 13


@draws(50)
@given(sizes=st.lists(st.integers(1, 6), min_size=2, max_size=6))
def test_layers_are_views_and_join_to_the_vector_again(sizes: list[int]) -> None:
    architecture = Architecture(sizes[0], tuple(Layer(n, "tanh") for n in sizes[1:]), "quadratic", "float64")
    parameters = Parameters(architecture, np.random.default_rng(0).standard_normal(architecture.parameter_count))
    assert architecture.parameter_count == sum(n * (before + 1) for before, n in pairwise(sizes))
    for held in parameters.layers:
        assert np.shares_memory(held.weights, parameters.vector)
        assert np.shares_memory(held.biases, parameters.vector)
    again = Parameters.from_layers(np, architecture, [(held.weights, held.biases) for held in parameters.layers])
    np.testing.assert_array_equal(again.vector, parameters.vector)


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize("given_as", [*FLOAT_NAMES, "int64"])
def test_layers_are_rounded_to_the_dtype_of_the_network(dtype: Any, given_as: str) -> None:
    architecture = replace(SMALL, dtype=dtype)
    layers = [(np.ones((3, 2), given_as), np.ones(3, given_as)), (np.ones((1, 3), given_as), np.ones(1, given_as))]
    assert Parameters.from_layers(np, architecture, layers).vector.dtype == dtype


def test_layers_need_not_be_contiguous() -> None:
    w = np.arange(6.0).reshape(2, 3).T
    joined = Parameters.from_layers(np, SMALL, [(w, np.zeros(3)), (np.zeros((1, 3)), np.zeros(1))])
    np.testing.assert_array_equal(joined.layers[0].weights, w)


@pytest.mark.parametrize(
    ("vector", "part"),
    [
        (np.zeros(12), "shape"),
        (np.zeros((13, 1)), "shape"),
        (np.zeros(13, "float32"), "float32"),
        (np.zeros(13, "int64"), "int64"),
    ],
)
def test_a_vector_of_another_shape_or_dtype_is_refused(vector: Any, part: str) -> None:
    with pytest.raises(InvalidBatch, match=part) as caught:
        Parameters(SMALL, vector)
    assert caught.value.path == ("parameters",)


RIGHT = [(np.zeros((3, 2)), np.zeros(3)), (np.zeros((1, 3)), np.zeros(1))]


@pytest.mark.parametrize(
    ("layers", "path"),
    [
        (RIGHT[:1], ("layers",)),
        ([*RIGHT, RIGHT[1]], ("layers",)),
        ([(RIGHT[0][0].T, RIGHT[0][1]), RIGHT[1]], ("layers", 0, "weights")),
        ([RIGHT[0], (RIGHT[1][0], np.zeros((1, 1)))], ("layers", 1, "biases")),
    ],
)
def test_layers_that_do_not_fit_are_refused_with_their_place(layers: Any, path: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidBatch) as caught:
        Parameters.from_layers(np, SMALL, layers)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"inputs": 0}, ("inputs",)),
        ({"layers": ()}, ("layers",)),
        ({"layers": (Layer(1, "tanh"), Layer(0, "tanh"))}, ("layers", 1, "units")),
        ({"layers": (Layer(1, "tanh"), Layer(1, "swish"))}, ("layers", 1, "activation")),
        ({"cost": "hinge"}, ("cost",)),
        ({"dtype": "float16"}, ("dtype",)),
        ({"cost": "cross_entropy"}, ("layers", 1, "activation")),
        (
            {"cost": "binary_cross_entropy", "layers": (Layer(1, "sigmoid"), Layer(1, "tanh"))},
            ("layers", 1, "activation"),
        ),
    ],
)
def test_what_cannot_be_a_network_is_refused_with_its_place(
    change: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        replace(SMALL, **change)
    assert caught.value.path == path


def test_the_cross_entropies_allow_the_last_layers_of_the_contract() -> None:
    assert LAST_LAYERS == {"binary_cross_entropy": ("sigmoid", "softmax"), "cross_entropy": ("softmax",)}
    for cost, lasts in LAST_LAYERS.items():
        for last in lasts:
            assert replace(SMALL, layers=(Layer(3, last),), cost=cost).cost == cost
