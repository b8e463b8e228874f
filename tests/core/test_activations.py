"""Every activation: its values, its kinks, its ends, and its pullback as the product with the transposed Jacobian."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from core import ACTIVATIONS
from core.activations import Elementwise, log_softmax
from tests.core import reference
from tests.core.drawing import FLOAT_NAMES

ELEMENTWISE = [name for name in ACTIVATIONS if name != "softmax"]
ENDS = {  # a and sigma' at -1e4 and at 1e4
    "identity": ((-1e4, 1.0), (1e4, 1.0)),
    "sigmoid": ((0.0, 0.0), (1.0, 0.0)),
    "tanh": ((-1.0, 0.0), (1.0, 0.0)),
    "relu": ((0.0, 0.0), (1e4, 1.0)),
    "leaky_relu": ((-100.0, 0.01), (1e4, 1.0)),
    "elu": ((-1.0, 0.0), (1e4, 1.0)),
    "gelu": ((0.0, 0.0), (1e4, 1.0)),
    "gelu_tanh": ((0.0, 0.0), (1e4, 1.0)),
    "silu": ((0.0, 0.0), (1e4, 1.0)),
    "softplus": ((0.0, 0.0), (1e4, 1.0)),
}
AT_ZERO = {
    "identity": (0.0, 1.0),
    "sigmoid": (0.5, 0.25),
    "tanh": (0.0, 1.0),
    "relu": (0.0, 0.0),
    "leaky_relu": (0.0, 0.01),
    "elu": (0.0, 1.0),
    "gelu": (0.0, 0.5),
    "gelu_tanh": (0.0, 0.5),
    "silu": (0.0, 0.5),
    "softplus": (math.log(2), 0.5),
}


def value_and_slope(name: str, z: Any) -> tuple[Any, Any]:
    a = ACTIVATIONS[name].value(np, z)
    return a, ACTIVATIONS[name].slope(np, z, a)


def test_the_names_are_the_contract() -> None:
    assert list(ACTIVATIONS) == [*SCALARS_IN_ORDER, "softmax"]
    assert all(ACTIVATIONS[name].name == name for name in ACTIVATIONS)


SCALARS_IN_ORDER = list(reference.SIGMA)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values_and_slopes(name: str) -> None:
    z = np.concatenate([np.linspace(-30, 30, 241), [-1e-3, 1e-3, -1e-9, 1e-9]]).reshape(1, -1)
    a, slope = value_and_slope(name, z)
    sigma, sigma_prime = reference.SIGMA[name]
    np.testing.assert_allclose(a[0], [sigma(float(zj)) for zj in z[0]], rtol=1e-13, atol=2e-15)
    np.testing.assert_allclose(slope[0], [sigma_prime(float(zj)) for zj in z[0]], rtol=1e-13, atol=2e-15)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_slope_is_the_derivative_of_the_value(name: str) -> None:
    z = np.random.default_rng(0).normal(0, 3, (7, 50))
    _, slope = value_and_slope(name, z)
    with np.errstate(all="ignore"):
        step = ACTIVATIONS[name].value(np, z + 1e-30j).imag / 1e-30
    np.testing.assert_allclose(slope, step, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_ends_are_finite_and_right(name: str, dtype: str) -> None:
    z = np.array([[-1e4, 1e4]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a, slope = value_and_slope(name, z)
    assert a.dtype == slope.dtype == dtype
    np.testing.assert_allclose(a[0], [end[0] for end in ENDS[name]], rtol=1e-6 if dtype == "float32" else 1e-15)
    np.testing.assert_allclose(slope[0], [end[1] for end in ENDS[name]], rtol=1e-6 if dtype == "float32" else 1e-15)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_no_number_leaves_the_finite_ones(name: str) -> None:
    for dtype, largest in (("float32", 3e38), ("float64", 1e308)):
        grid = np.concatenate([[0.0], np.geomspace(1e-30, largest, 500)])
        z = np.concatenate([-grid, grid]).reshape(1, -1).astype(dtype)
        with np.errstate(all="ignore"):
            a, slope = value_and_slope(name, z)
        assert np.isfinite(a).all()
        assert np.isfinite(slope).all()
        assert abs(slope).max() < 1.2, "no activation here is steeper than gelu"


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_at_zero_as_in_pytorch(name: str) -> None:
    for z in (np.array([[0.0]]), np.array([[-0.0]])):
        a, slope = value_and_slope(name, z)
        assert (a[0, 0], slope[0, 0]) == AT_ZERO[name]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_pullback_is_the_product_with_the_transposed_jacobian(name: str) -> None:
    rng = np.random.default_rng(3)
    z, v = rng.standard_normal((5, 4)), rng.standard_normal((5, 4))
    a = ACTIVATIONS[name].value(np, z)
    pulled, diagonal = ACTIVATIONS[name].pullback(np, v, z, a), ACTIVATIONS[name].slope(np, z, a)
    for row in range(5):
        jacobian = np.array(reference.jacobian(name, z[row].tolist()))
        np.testing.assert_allclose(pulled[row], jacobian.T @ v[row], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(diagonal[row], np.diag(jacobian), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float32_stays_float32_and_is_as_good(name: str) -> None:
    rng = np.random.default_rng(3)
    z, v = rng.normal(0, 4, (50, 6)), rng.standard_normal((50, 6))
    sigma = ACTIVATIONS[name]
    results = {}
    for dtype in FLOAT_NAMES:
        zd, vd = z.astype(dtype), v.astype(dtype)
        a = sigma.value(np, zd)
        results[dtype] = (a, sigma.slope(np, zd, a), sigma.pullback(np, vd, zd, a))
    for narrow, wide in zip(results["float32"], results["float64"], strict=True):
        assert narrow.dtype == np.float32
        np.testing.assert_allclose(narrow, wide, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_softmax_at_the_ends(dtype: str) -> None:
    z = np.array([[1e4, -1e4, 0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a = ACTIVATIONS["softmax"].value(np, z)
        pulled = ACTIVATIONS["softmax"].pullback(np, np.ones_like(z), z, a)
    np.testing.assert_allclose(a, [[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3], rtol=1e-6)
    np.testing.assert_allclose(pulled, 0, atol=1e-7)


def test_softmax_sums_to_one_and_ignores_a_shift() -> None:
    z = np.random.default_rng(0).normal(0, 5, (20, 7))
    a = ACTIVATIONS["softmax"].value(np, z)
    np.testing.assert_allclose(a.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(ACTIVATIONS["softmax"].value(np, z + 1234.5), a, rtol=1e-10)


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_log_softmax(dtype: str) -> None:
    z = np.array([[1e4, 1e4, -1e4], [-1e4, -1e4, -2e4], [0, math.log(2), math.log(3)]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = log_softmax(np, z)
    assert found.dtype == dtype
    half = -math.log(2)
    wanted = [[half, half, half - 2e4], [half, half, half - 1e4], [-math.log(6), -math.log(3), half]]
    np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(dtype).eps)


def test_an_activation_of_each_neuron_has_a_diagonal_jacobian() -> None:
    assert all(isinstance(ACTIVATIONS[name], Elementwise) for name in ELEMENTWISE)
