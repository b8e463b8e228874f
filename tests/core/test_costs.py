"""Every cost: by its definition, its slope, its kinks; and the fused pairs, equal to the general path and exact at the ends."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest

from core import ACTIVATIONS, COSTS
from core.costs import FUSED, LAST_LAYERS, General, output_layer
from tests.core import reference
from tests.core.drawing import FLOAT_NAMES

FUSED_IDS = ["-".join(pair) for pair in FUSED]


def drawn(cost: str, rows: int = 6, columns: int = 4) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    if cost in LAST_LAYERS:
        return rng.uniform(0.05, 0.95, (rows, columns)), rng.uniform(0.05, 0.95, (rows, columns))
    return rng.standard_normal((rows, columns)), 2 * rng.standard_normal((rows, columns))


def test_the_names_are_the_contract() -> None:
    assert list(COSTS) == [
        "quadratic",
        "mean_squared_error",
        "mean_absolute_error",
        "huber",
        "binary_cross_entropy",
        "cross_entropy",
    ]


@pytest.mark.parametrize("cost", COSTS)
def test_values_and_slopes(cost: str) -> None:
    y, a = drawn(cost)
    values, slopes = COSTS[cost].value(np, y, a), COSTS[cost].gradient(np, y, a)
    assert values.shape == (6,)
    rows = list(zip(y.tolist(), a.tolist(), strict=True))
    np.testing.assert_allclose(values, [reference.cost(cost, *row) for row in rows], rtol=1e-13)
    np.testing.assert_allclose(slopes, [reference.cost_slopes(cost, *row) for row in rows], rtol=1e-13)


@pytest.mark.parametrize("cost", COSTS)
def test_slope_is_the_derivative_of_the_value(cost: str) -> None:
    y, a = drawn(cost)
    for j in range(a.shape[1]):
        step = COSTS[cost].value(np, y, a + 1e-30j * (np.arange(4) == j)).imag / 1e-30
        np.testing.assert_allclose(COSTS[cost].gradient(np, y, a)[:, j], step, rtol=1e-12)


@pytest.mark.parametrize("cost", COSTS)
def test_float32_stays_float32(cost: str) -> None:
    y, a = (array.astype("float32") for array in drawn(cost))
    assert COSTS[cost].value(np, y, a).dtype == np.float32
    assert COSTS[cost].gradient(np, y, a).dtype == np.float32


def test_kinks_as_in_pytorch() -> None:
    y, a = np.zeros((1, 5)), np.array([[0.0, -0.0, 1.0, -1.0, 2.0]])
    assert COSTS["mean_absolute_error"].gradient(np, y, a).tolist() == [[0.0, 0.0, 0.2, -0.2, 0.2]]
    assert COSTS["huber"].gradient(np, y, a).tolist() == [[0.0, 0.0, 0.2, -0.2, 0.2]]
    assert COSTS["huber"].value(np, y, a).tolist() == [(0.5 + 0.5 + 1.5) / 5]


def test_zero_times_log_zero_is_zero() -> None:
    y, a = np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]])
    assert COSTS["cross_entropy"].value(np, y, a).tolist() == [0.0]
    assert COSTS["cross_entropy"].gradient(np, y, a).tolist() == [[0.0, -1.0]]
    assert COSTS["binary_cross_entropy"].value(np, y, a).tolist() == [0.0]
    assert COSTS["binary_cross_entropy"].gradient(np, y, a).tolist() == [[1.0, -1.0]]


def test_a_pair_is_fused_exactly_where_a_cost_demands_its_last_layer() -> None:
    assert set(FUSED) == {(cost, last) for cost, lasts in LAST_LAYERS.items() for last in lasts}
    assert isinstance(output_layer("quadratic", "softmax"), General)


@pytest.mark.parametrize(("cost", "last"), FUSED, ids=FUSED_IDS)
def test_a_fused_pair_equals_the_general_path(cost: str, last: str) -> None:
    rng = np.random.default_rng(2)
    z, y = rng.normal(0, 2, (40, 5)), rng.uniform(0, 1.5, (40, 5))  # targets outside [0, 1] too
    z[:, 1] = z[:, 0]  # ties for the largest
    y[0], y[1] = 0, 1
    a = ACTIVATIONS[last].value(np, z)
    fused, general = output_layer(cost, last), General(COSTS[cost], ACTIVATIONS[last])
    np.testing.assert_allclose(fused.value(np, y, z, a), general.value(np, y, z, a), rtol=1e-12)
    np.testing.assert_allclose(fused.error(np, y, z, a), general.error(np, y, z, a), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("cost", "last"), FUSED, ids=FUSED_IDS)
def test_a_fused_error_is_the_derivative_of_its_cost(cost: str, last: str) -> None:
    rng = np.random.default_rng(4)
    z, y = rng.normal(0, 5, (30, 4)), rng.uniform(0, 1, (30, 4))
    head, sigma = output_layer(cost, last), ACTIVATIONS[last]
    error = head.error(np, y, z, sigma.value(np, z))
    for j in range(4):
        moved = z + 1e-30j * (np.arange(4) == j)
        step = head.value(np, y, moved, sigma.value(np, moved)).imag / 1e-30
        np.testing.assert_allclose(error[:, j], step, rtol=1e-11, atol=1e-12)


ENDS = [
    [1e4, -1e4, 0.0],
    [-1e4, 1e4, 3.0],
    [1e4, 1e4, -1e4],
    [-1e4, -1e4, -1e4],
    [40.0, 0.5, -40.0],
    [20.0, 19.0, -700.0],
    [0.25, -0.5, 0.125],
]
TARGETS = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.25, 0.5, 0.125], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]


def exact(cost: str, last: str, y: list[float], z: list[float]) -> tuple[float, list[float]]:
    """C_x and dC_x/dz with 60 digits and exponents that no 1e4 exhausts."""
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 60, 10**9, -(10**9)
        t, e = [Decimal(v) for v in y], [Decimal(v).exp() for v in z]
        n = range(len(z))
        if last == "sigmoid":
            value = sum((1 + e[j]).ln() - t[j] * Decimal(z[j]) for j in n)
            return float(value), [float(e[j] / (1 + e[j]) - t[j]) for j in n]
        total = sum(e)
        a = [ej / total for ej in e]
        value = sum(t[j] * (total.ln() - Decimal(z[j])) for j in n)
        error = [a[i] * sum(t) - t[i] for i in n]
        if cost == "binary_cross_entropy":
            rest = [sum(e[k] for k in n if k != j) for j in n]
            value -= sum((1 - t[j]) * (rest[j].ln() - total.ln()) for j in n)
            for i in n:
                error[i] -= sum((1 - t[j]) * ((i != j) * e[i] / rest[j] - a[i]) for j in n)
        return float(value), [float(v) for v in error]


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize(("cost", "last"), FUSED, ids=FUSED_IDS)
def test_a_fused_pair_is_exact_at_the_ends(cost: str, last: str, dtype: str) -> None:
    eps = float(np.finfo(dtype).eps)
    head, sigma = output_layer(cost, last), ACTIVATIONS[last]
    for row in ENDS:
        for target in TARGETS:
            z, y = np.array([row], dtype), np.array([target], dtype)
            with np.errstate(over="raise", invalid="raise"):
                a = sigma.value(np, z)
                value, error = head.value(np, y, z, a), head.error(np, y, z, a)
            assert value.dtype == error.dtype == dtype
            wanted, slopes = exact(cost, last, y[0].tolist(), z[0].tolist())
            np.testing.assert_allclose(value[0], wanted, rtol=8 * eps, atol=8 * eps, err_msg=f"{row} {target}")
            np.testing.assert_allclose(error[0], slopes, rtol=8 * eps, atol=8 * eps, err_msg=f"{row} {target}")


def test_one_output_of_a_softmax_has_a_cost_only_where_it_is_wanted() -> None:
    head = output_layer("binary_cross_entropy", "softmax")
    z, a = np.array([[3.0]]), np.array([[1.0]])
    with np.errstate(all="ignore"):  # as within `quiet()`, where core computes it
        assert head.value(np, np.array([[1.0]]), z, a).tolist() == [0.0]
        assert head.error(np, np.array([[1.0]]), z, a).tolist() == [[0.0]]
        assert head.value(np, np.array([[0.5]]), z, a).tolist() == [float("inf")]
