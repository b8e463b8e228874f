"""Products bound in place: what they compute, by either BLAS and either way, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from core.plans import openblas
from core.plans.blas import Blas
from core.plans.calls import Product, Run, dispatched
from core.plans.native.program import joined
from core.plans.openblas import address_of, newest_library

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
    "sum": (1,),
}
PRODUCTS: dict[str, tuple[str, Callable[[Blas, dict[str, Any]], Product], Callable[[dict[str, Any]], Any]]] = {
    "forward": ("z", lambda k, v: k.forward(0.5, v["w"], v["a"], v["z"]), lambda v: 0.5 * v["w"] @ v["a"]),
    "spread": ("z", lambda k, v: k.spread(v["b"], v["z"]), lambda v: np.repeat(v["b"][:, np.newaxis], M, axis=1)),
    "forward_from": (
        "z",
        lambda k, v: k.forward_from(0.5, v["w"], v["z"]),
        lambda v: 0.5 * (v["z"] + v["w"] @ v["x"].T),
    ),
    "backward": ("below", lambda k, v: k.backward(v["w"], v["delta"], v["below"]), lambda v: v["w"].T @ v["delta"]),
    "outer": (
        "g",
        lambda k, v: k.outer(-0.1, v["delta"], v["a"], 0.9, v["g"]),
        lambda v: 0.9 * v["g"] - 0.1 * v["delta"] @ v["a"].T,
    ),
    "outer_from": (
        "g",
        lambda k, v: k.outer_from(-0.1, v["delta"], 0.9, v["g"]),
        lambda v: 0.9 * v["g"] - 0.1 * v["delta"] @ v["x"],
    ),
    "row_sums": (
        "b",
        lambda k, v: k.row_sums(-0.1, v["delta"], 0.9, v["b"]),
        lambda v: 0.9 * v["b"] - 0.1 * v["delta"].sum(axis=1),
    ),
    "column_sums": (
        "examples",
        lambda k, v: k.column_sums(v["delta"], v["examples"]),
        lambda v: v["delta"].sum(axis=0),
    ),
    "column_sums_of_targets": (
        "examples",
        lambda k, v: k.column_sums_of_targets(OUT, v["examples"]),
        lambda v: v["y"].sum(axis=1),
    ),
    "dot": ("sum", lambda k, v: k.dot(v["delta"], v["z"], v["sum"]), lambda v: [np.sum(v["delta"] * v["z"])]),
}


def drawn(dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in SHAPES.items()}


@pytest.fixture(params=["SciPy's", "the newest"])
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Which BLAS the products are of."""
    if request.param == "SciPy's":
        monkeypatch.setattr(openblas, "newest_library", lambda: None)
    else:
        assert newest_library() is not None
    address_of.cache_clear()
    yield
    address_of.cache_clear()


def by_python(product: Product) -> list[Run]:
    return [dispatched([product], releases=False)]


def by_program(product: Product) -> list[Run]:
    runs = joined([product], releases=True)
    assert runs is not None
    return runs


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("called", [by_python, by_program])
@pytest.mark.parametrize("name", PRODUCTS)
def test_each_product_writes_where_it_was_bound(name: str, called: Callable[[Product], list[Run]], dtype: str) -> None:
    target, bind, formula = PRODUCTS[name]
    values = drawn(dtype)
    wanted = formula({key: array.astype(np.float64) for key, array in values.items()})
    for run in called(bind(Blas(dtype), values)):
        run(values["x"], values["y"], values["x"])
    np.testing.assert_allclose(values[target], wanted, rtol=0, atol=1e-5 if dtype == "float32" else 1e-14)


BROKEN = {
    "columns first": np.asfortranarray,
    "every second": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "backwards": lambda array: array[..., ::-1],
    "another dtype": lambda array: array.astype(np.float64),
    "read only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
}


@pytest.mark.parametrize(
    ("name", "how"),
    [
        (name, how)
        for name, (target, *_) in PRODUCTS.items()
        for how in BROKEN
        if (how != "columns first" or len(SHAPES[target]) == 2) and SHAPES[target] != (1,)
    ],
)
def test_a_target_that_is_not_as_blas_wants_it_is_refused(name: str, how: str) -> None:
    target, bind, _ = PRODUCTS[name]
    values = drawn("float32")
    broken = BROKEN[how](values[target])
    with pytest.raises(ValueError, match="a bound product needs"):
        bind(Blas("float32"), values | {target: broken})


MISFITS = {
    "forward": "waz",
    "spread": "bz",
    "forward_from": "wz",
    "backward": ["w", "delta", "below"],
    "outer": ["delta", "a", "g"],
    "outer_from": ["delta", "g"],
    "row_sums": ["delta", "b"],
    "column_sums": ["examples"],
    "dot": ["delta", "z", "sum"],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, key) for name, keys in MISFITS.items() for key in keys])
def test_matrices_that_do_not_fit_are_refused(name: str, wrong: str) -> None:
    """BLAS itself would read and write beyond them."""
    values = drawn("float32")
    longer = np.repeat(values[wrong], 2, axis=0)
    with pytest.raises(ValueError, match="fit together"):
        PRODUCTS[name][1](Blas("float32"), values | {wrong: longer})
