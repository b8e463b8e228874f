"""The number of threads: by the size of the work alone, held to what the process may have, and of no effect on the numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from core import Architecture, Gradients, Layer
from core.plans import threads
from tests.core.plans.runs import batch_of, close, parameters_of


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_threshold", threads.SERIAL_BELOW)  # whatever a service in this process has chosen
    threads._most.cache_clear()
    yield
    threads._most.cache_clear()


def processors(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _pid: set(range(count)), raising=False)


def test_small_work_stays_on_one_thread_and_large_work_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    processors(monkeypatch, 6)
    assert [threads.threads_for(size) for size in (0, 1, threads.SERIAL_BELOW - 1)] == [1, 1, 1]
    assert [threads.threads_for(size) for size in (threads.SERIAL_BELOW, 10**15)] == [6, 6]
    assert [threads.threads_for(threads.SERIAL_BELOW) for _ in range(3)] == [6, 6, 6]


@pytest.mark.parametrize("name", ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize(("value", "count"), [("1", 1), ("3", 3), ("99", 6), ("0", 1), ("many", 6), ("", 6)])
def test_the_environment_may_hold_it_down(monkeypatch: pytest.MonkeyPatch, name: str, value: str, count: int) -> None:
    processors(monkeypatch, 6)
    monkeypatch.setenv(name, value)
    assert threads.threads_for(10**15) == count


def test_where_cores_are_shared_only_long_work_takes_more(monkeypatch: pytest.MonkeyPatch) -> None:
    processors(monkeypatch, 6)
    threads.share_cores()
    assert [threads.threads_for(size) for size in (threads.SERIAL_BELOW, threads.SHARED_SERIAL_BELOW - 1)] == [1, 1]
    assert threads.threads_for(threads.SHARED_SERIAL_BELOW) == 6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_numbers_are_the_same_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    rng = np.random.default_rng(0)
    architecture = Architecture(200, (Layer(150, "tanh"), Layer(100, "tanh")), "quadratic", dtype)
    parameters, (x, y) = parameters_of(architecture, rng), batch_of(architecture, 128, rng)
    found = []
    monkeypatch.setattr(threads, "_threshold", 1_000_000)  # such a small batch would stay on one
    for count in (1, 2):
        processors(monkeypatch, count)
        threads._most.cache_clear()
        assert threads.threads_for(3 * 128 * architecture.parameter_count) == count
        found.append(Gradients(parameters).backprop(x, y)[1].vector)
    threads.use_threads(1)
    close(found[0], found[1], 1e-6 if dtype == "float32" else 1e-15)


def test_this_blas_can_be_told() -> None:
    """The wheels that this project locks bring an OpenBLAS whose threads can be chosen."""
    assert threads.controllable()
