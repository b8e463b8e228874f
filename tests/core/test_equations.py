"""The equations alone, over square layers, where a lost transpose still has the right shape."""

from __future__ import annotations

import numpy as np
import pytest

from core import ACTIVATIONS, backprop, equations, input_gradient
from core.types import NUMPY
from tests.core import reference
from tests.core.drawing import PAIRS, case_of

RNG = np.random.default_rng(17)
W, V, DELTA, A, Z = (RNG.standard_normal((3, 3)) for _ in range(5))
B = RNG.standard_normal(3)
N = range(3)


def test_weighted_input() -> None:
    z = equations.weighted_input(W, B, A)
    for x in N:
        np.testing.assert_allclose(z[x], [sum(W[j, k] * A[x, k] for k in N) + B[j] for j in N], rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_errors(name: str) -> None:
    sigma = ACTIVATIONS[name]
    a = sigma.value(NUMPY, Z)
    at_the_end = equations.output_error(NUMPY, sigma, V, Z, a)
    before = equations.hidden_error(NUMPY, sigma, W, DELTA, Z, a)
    for x in N:
        slopes = reference.jacobian(name, Z[x].tolist())
        np.testing.assert_allclose(at_the_end[x], [sum(slopes[j][k] * V[x, j] for j in N) for k in N], rtol=1e-12)
        arrived = [sum(W[i, j] * DELTA[x, i] for i in N) for j in N]
        np.testing.assert_allclose(
            before[x], [sum(slopes[j][k] * arrived[j] for j in N) for k in N], rtol=1e-12, atol=1e-15
        )


def test_gradients() -> None:
    each, mean = equations.weight_gradient(DELTA, A), equations.mean_weight_gradient(DELTA, A)
    for x in N:
        assert each[x].tolist() == [[A[x, k] * DELTA[x, j] for k in N] for j in N]
    np.testing.assert_allclose(mean, each.mean(axis=0), rtol=1e-13)
    assert equations.bias_gradient(DELTA) is DELTA
    np.testing.assert_allclose(equations.mean_bias_gradient(NUMPY, DELTA), DELTA.mean(axis=0), rtol=1e-13)


@pytest.mark.parametrize(("cost", "last"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_square_networks_equal_the_lecture(cost: str, last: str) -> None:
    # As many examples as neurons: every matrix is square.
    case = case_of((3, 3, 3, 3), ["tanh", "softmax", last], cost, 3, 5)
    layers = [(held.weights.tolist(), held.biases.tolist()) for held in case.parameters.layers]
    pairs = zip(case.x.tolist(), case.y.tolist(), strict=True)
    lecture = [reference.backprop(layers, ["tanh", "softmax", last], cost, x, y) for x, y in pairs]
    found = backprop(NUMPY, case.parameters, case.x, case.y)
    for at, held in enumerate(found.gradient.layers):
        np.testing.assert_allclose(found.errors[at], [one.delta[at] for one in lecture], rtol=1e-11, atol=1e-13)
        mean = np.mean([one.weights[at] for one in lecture], axis=0)
        np.testing.assert_allclose(held.weights, mean, rtol=1e-11, atol=1e-13)
    slopes = input_gradient(NUMPY, case.parameters, found)
    np.testing.assert_allclose(slopes, [one.x for one in lecture], rtol=1e-11, atol=1e-13)
