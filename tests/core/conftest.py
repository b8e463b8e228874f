"""Fixtures of the mathematics: the array modules that it runs on."""

from __future__ import annotations

import pytest

from core import Backend, BackendUnavailable, select


@pytest.fixture(scope="session")
def cupy_backend() -> Backend:
    """CuPy on a CUDA device; where there is none, the test is skipped and the report says what was missing."""
    try:
        return select("cupy")
    except BackendUnavailable as error:
        pytest.skip(error.detail)
