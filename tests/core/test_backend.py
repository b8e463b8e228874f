"""The backend that was asked for is the one that runs, or there is an error that says why not."""

from __future__ import annotations

import numpy as np
import pytest

from core import BackendUnavailable, select
from tests.core.drawing import FLOAT_NAMES


def cupy_or_why_not() -> str | None:
    try:
        select("cupy")
    except BackendUnavailable as error:
        return error.detail
    return None


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize("name", ["numpy", pytest.param("cupy", marks=pytest.mark.gpu)])
def test_there_and_back(name: str, dtype: str, request: pytest.FixtureRequest) -> None:
    backend = request.getfixturevalue("cupy_backend") if name == "cupy" else select(name)
    host = np.array([[1.5, -2.0], [0.1, 3.0]])
    there = backend.asarray(host, dtype)
    back = backend.to_host(there)
    assert isinstance(back, np.ndarray)
    np.testing.assert_array_equal(back, host.astype(dtype))
    assert (backend.name, backend.xp.__name__) == (name, name)
    assert backend.device
    assert backend.blas


def test_numpy_does_not_copy_what_is_there() -> None:
    backend, host = select("numpy"), np.ones(3)
    assert backend.asarray(host, "float64") is host
    assert backend.to_host(host) is host


def test_auto_takes_what_answers() -> None:
    assert select().name == select("auto").name == ("numpy" if cupy_or_why_not() else "cupy")


def test_cupy_by_name_is_never_replaced() -> None:
    why_not = cupy_or_why_not()
    assert why_not is None or "cupy was asked for" in why_not
    assert why_not is not None or select("cupy").name == "cupy"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(BackendUnavailable, match="unknown backend 'torch'; known are auto, numpy, cupy"):
        select("torch")
