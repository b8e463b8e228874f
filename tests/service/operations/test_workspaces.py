"""Compiled passes are kept within their bytes, one request at a time, and answer what core answers."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core import Architecture, InvalidBatch, Layer, Parameters, initialize, make_options, predict, select, sgd_step
from service.engine.base import Snapshot
from service.operations.workspaces import Workspaces
from service.storage.base import NetworkRecord

BACKEND = select("numpy")
ARCHITECTURE = Architecture(5, (Layer(4, "tanh"), Layer(3, "sigmoid")), "quadratic", "float64")


def snapshot(name: str = "net_a", seed: int = 0, version: int = 0) -> Snapshot:
    record = NetworkRecord(name, None, {}, version, "", "")
    return Snapshot(record, ARCHITECTURE, Parameters(ARCHITECTURE, initialize(ARCHITECTURE, "gaussian", seed)), None)


def batch(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).random((rows, 5))


def test_versions_of_a_network_and_networks_in_turn() -> None:
    workspaces = Workspaces(BACKEND)
    shots = [snapshot(), snapshot(seed=1, version=1), snapshot("net_b", 2), snapshot()]
    for at in shots:
        found = workspaces.predict(at, batch(7))
        assert np.allclose(found, predict(BACKEND.xp, at.parameters, batch(7)), rtol=1e-13)


def test_a_step() -> None:
    at, options, y = snapshot(), make_options("adam", {"clip_norm": 0.1}), np.zeros((7, 3))
    found = Workspaces(BACKEND).step(at, batch(7), y, options)
    wanted = sgd_step(BACKEND.xp, at.parameters, None, batch(7), y, options)
    assert np.allclose(found.parameters.vector, wanted.parameters.vector, rtol=1e-10)
    assert found.gradient_norm == pytest.approx(wanted.gradient_norm, rel=1e-12)


def test_what_is_kept_is_bounded_and_the_oldest_go_first() -> None:
    one = Workspaces(BACKEND)
    one.predict(snapshot(), batch(7))
    size = one.nbytes
    bounded = Workspaces(BACKEND, limit=2 * size)
    for name in ("net_a", "net_b", "net_c"):
        bounded.predict(snapshot(name), batch(7))
    assert bounded.nbytes == 2 * size
    assert list(bounded._idle) == ["net_b", "net_c"]
    nothing = Workspaces(BACKEND, limit=0)
    nothing.predict(snapshot(), batch(7))
    assert nothing.nbytes == 0


def test_what_is_kept_of_small_networks_is_counted_as_what_it_takes() -> None:
    workspaces, options, y = Workspaces(BACKEND), make_options("sgd", {"learning_rate": 0.1}), np.zeros((7, 3))

    def use(name: str) -> None:
        at = snapshot(name)
        workspaces.predict(at, batch(7))
        workspaces.step(at, batch(7), y, options)

    use("net_a")
    tracemalloc.start()
    before, counted = tracemalloc.get_traced_memory()[0], workspaces.nbytes
    for name in range(20):
        use(f"net_{name}")
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert taken < 2 * (workspaces.nbytes - counted)


def test_an_error_gives_the_workspace_back() -> None:
    workspaces = Workspaces(BACKEND)
    with pytest.raises(InvalidBatch):
        workspaces.predict(snapshot(), np.zeros((2, 6)))
    assert workspaces.nbytes > 0
    assert workspaces.predict(snapshot(), batch(2)).shape == (2, 3)


def test_many_threads_never_share_one() -> None:
    workspaces = Workspaces(BACKEND)
    shots = [snapshot(seed=seed, version=seed) for seed in range(4)]
    wanted = [predict(BACKEND.xp, at.parameters, batch(64)) for at in shots]

    def many(which: int) -> bool:
        return all(np.allclose(workspaces.predict(shots[which], batch(64)), wanted[which]) for _ in range(50))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(many, range(4)))
    assert 1 <= len(workspaces._idle["net_a"]) <= 4
