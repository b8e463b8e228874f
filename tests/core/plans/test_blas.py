"""Products bound in place: what they compute, and that none of them ever works on a silent copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.plans import blas
from core.plans.blas import Blas
from core.plans.openblas import newest_library

M, IN, OUT = 5, 3, 4
SHAPES = {
    "x": (M, IN),
    "y": (M, OUT),
    "a": (IN, M),
    "w": (OUT, IN),
    "z": (OUT, M),
    "delta": (OUT, M),
    "below": (IN, M),
    "g": (OUT, IN),
    "b": (OUT,),
    "examples": (M,),
}
PRODUCTS: dict[str, tuple[str, Callable[[Blas, dict[str, Any]], Any], Callable[[dict[str, Any]], Any]]] = {
    "forward": ("z", lambda k, v: k.forward(0.5, v["w"], v["a"], v["z"])(), lambda v: 0.5 * v["w"] @ v["a"]),
    "forward_from": (
        "z",
        lambda k, v: k.forward_from(0.5, v["w"], v["z"])(v["x"].T),
        lambda v: 0.5 * (v["z"] + v["w"] @ v["x"].T),
    ),
    "backward": ("below", lambda k, v: k.backward(v["w"], v["delta"], v["below"])(), lambda v: v["w"].T @ v["delta"]),
    "outer": (
        "g",
        lambda k, v: k.outer(-0.1, v["delta"], v["a"], 0.9, v["g"])(),
        lambda v: 0.9 * v["g"] - 0.1 * v["delta"] @ v["a"].T,
    ),
    "outer_from": (
        "g",
        lambda k, v: k.outer_from(-0.1, v["delta"], 0.9, v["g"])(v["x"].T),
        lambda v: 0.9 * v["g"] - 0.1 * v["delta"] @ v["x"],
    ),
    "row_sums": (
        "b",
        lambda k, v: k.row_sums(-0.1, v["delta"], 0.9, v["b"])(),
        lambda v: 0.9 * v["b"] - 0.1 * v["delta"].sum(axis=1),
    ),
    "column_sums": (
        "examples",
        lambda k, v: k.column_sums(v["delta"], v["examples"])(),
        lambda v: v["delta"].sum(axis=0),
    ),
    "column_sums_of": (
        "examples",
        lambda k, v: k.column_sums_of(OUT, v["examples"])(v["y"].T),
        lambda v: v["y"].sum(axis=1),
    ),
}


def drawn(dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in SHAPES.items()}


@pytest.fixture(params=["SciPy's", "the newest"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which OpenBLAS the products are left to, whatever their size."""
    if request.param == "the newest" and newest_library() is None:
        pytest.skip("scipy-openblas32 is not installed, which core can do without")
    monkeypatch.setattr(blas, "LARGE", 0 if request.param == "the newest" else 10**9)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_each_product_writes_where_it_was_bound(name: str, dtype: str) -> None:
    target, act, formula = PRODUCTS[name]
    values = drawn(dtype)
    wanted = formula({key: array.astype(np.float64) for key, array in values.items()})
    act(Blas(dtype), values)
    np.testing.assert_allclose(values[target], wanted, rtol=0, atol=1e-5 if dtype == "float32" else 1e-14)


BROKEN = {
    "columns first": np.asfortranarray,
    "every second": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "backwards": lambda array: array[..., ::-1],
    "another dtype": lambda array: array.astype(np.float64),
    "read only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("name", "how"),
    [
        (name, how)
        for name, (target, *_) in PRODUCTS.items()
        for how in BROKEN
        if how != "columns first" or len(SHAPES[target]) == 2
    ],
)
def test_a_target_that_would_be_copied_is_refused(name: str, how: str) -> None:
    target, act, _ = PRODUCTS[name]
    values = drawn("float32")
    broken = BROKEN[how](values[target])
    with pytest.raises(ValueError, match="a bound product needs"):
        act(Blas("float32"), values | {target: broken})
