"""Whole networks at the ends: |z| = 1e4, zeros of both signs and ties, in any layer, with any cost, leave nothing infinite."""

from __future__ import annotations

import numpy as np
import pytest

from core import ACTIVATIONS, Architecture, Layer, Parameters, backprop, input_gradient, per_example_gradients
from core.network import DtypeName
from core.types import NUMPY
from tests.core.drawing import FLOAT_NAMES, PAIRS

X = [
    [1e4, -1e4, 0.0],
    [-1e4, 1e4, 1e4],
    [1e4, 1e4, 1e4],
    [-1e4, -1e4, -1e4],
    [0.0, -0.0, 0.0],
    [-0.0, -1e4, -0.0],
    [1e4, 1e4 - 1, -1.0],
]
TARGETS = [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0], [0.25, 0.5, 0.125]]


def straight(names: list[str], cost: str, dtype: DtypeName) -> Parameters:
    """Layers of three neurons, each taking its input from the one before it: z is what comes in."""
    architecture = Architecture(3, tuple(Layer(3, name) for name in names), cost, dtype)
    return Parameters.from_layers(NUMPY, architecture, [(np.eye(3), np.zeros(3))] * len(names))


def require_finite_answers(parameters: Parameters) -> None:
    dtype = parameters.architecture.dtype
    for target in TARGETS:
        x, y = np.array(X, dtype), np.array([target] * len(X), dtype)
        found = backprop(NUMPY, parameters, x, y)  # raises where a number is not finite
        each = per_example_gradients(NUMPY, found)
        for array in (*found.errors, input_gradient(NUMPY, parameters, found), *(held.weights for held in each)):
            assert np.isfinite(array).all()
            assert array.dtype == dtype
            assert abs(array).max() <= 1e8 + 1e4, "no slope is steeper than the quadratic cost of 1e4 times an input"


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize(("cost", "last"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_every_cost_on_every_last_layer(cost: str, last: str, dtype: DtypeName) -> None:
    require_finite_answers(straight([last], cost, dtype))


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_every_hidden_layer(hidden: str, dtype: DtypeName) -> None:
    for cost, last in (("quadratic", "identity"), ("cross_entropy", "softmax"), ("binary_cross_entropy", "sigmoid")):
        require_finite_answers(straight([hidden, hidden, last], cost, dtype))


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_a_saturated_mistake_still_teaches_the_cross_entropies(dtype: DtypeName) -> None:
    x, y = np.array([[1e4, -1e4, 0.0]], dtype), np.array([[0.0, 1.0, 0.0]], dtype)
    by_class = backprop(NUMPY, straight(["softmax"], "cross_entropy", dtype), x, y)
    assert by_class.cost == 2e4
    assert by_class.errors[0].tolist() == [[1.0, -1.0, 0.0]]
    each_alone = backprop(NUMPY, straight(["sigmoid"], "binary_cross_entropy", dtype), x, y)
    assert each_alone.cost == pytest.approx(2e4 + np.log(2), rel=float(np.finfo(dtype).eps))
    assert each_alone.errors[0].tolist() == [[1.0, -1.0, 0.5]]
