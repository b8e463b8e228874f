"""Commits and raw overwrites in turns, on the same file system, and what came of them.

Invariant: a store is measured in the state that it stays in: as many versions are behind it as retention keeps.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.store.cases import Case
from benchmarks.store.subjects import Client, Overwrite, Wrong
from service.storage.sqlite import SqliteStore

__all__ = ["commits", "percentiles", "rates", "slots"]

_KEPT_BYTES = 16 * 2**20
"""Retention's default bound for one network's numbers."""
_RAW_SECONDS, _STORE_SECONDS = 0.3, 1.0
"""A burst of many clients, and of the raw overwrite beside it."""


def commits(case: Case, folder: Path, count: int) -> dict[str, Any]:
    """One client: seconds of each commit and of each overwrite, in turns of `case.burst`."""
    raw: list[float] = []
    ours: list[float] = []
    with _store(folder) as store, _overwrite(folder, case.nbytes) as overwrite:
        client = Client(store, 0, case.nbytes)
        for _ in range(_warm_up(case.nbytes)):
            client()
        for _ in range(-(-count // case.burst)):
            raw += [overwrite() for _ in range(case.burst)]
            ours += [client() for _ in range(case.burst)]
        client.check()
    return {"raw": percentiles(raw), "store": percentiles(ours), "ratio": median(ours) / median(raw)}


def rates(case: Case, folder: Path, rounds: int) -> dict[str, Any]:
    """Many clients: commits a second of all together, beside overwrites a second of one."""
    raw: list[float] = []
    ours: list[float] = []
    with _store(folder) as store, _overwrite(folder, case.nbytes) as overwrite:
        clients = [Client(store, number, case.nbytes) for number in range(case.clients)]
        for _ in range(2):
            _commits_a_second(clients)
        for _ in range(rounds):
            raw.append(_overwrites_a_second(overwrite))
            ours.append(_commits_a_second(clients))
        for client in clients:
            client.check()
    return {"raw_rates": raw, "store_rates": ours, "ratio": median(ours) / median(raw)}


def slots(case: Case, folder: Path, steps: int, say: Callable[[int], None]) -> dict[str, Any]:
    """A long training run: the most slot files that there ever were, and how fast it went."""
    most = 0
    with _store(folder) as store:
        client = Client(store, 0, case.nbytes)
        begun = time.perf_counter()
        for step in range(1, steps + 1):
            client()
            most = max(most, sum(1 for _ in (folder / "store" / "slots").iterdir()))
            if step % 500 == 0:
                say(step)
        seconds = time.perf_counter() - begun
        client.check()
        used = store.usage().bytes_used
    return {"steps": steps, "slots": most, "bytes_used": used, "steps_a_second": steps / seconds, "ratio": float(most)}


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """In microseconds; the throughput of one after the other is in operations a second."""
    p50, p99 = (float(np.percentile(seconds, share)) * 1e6 for share in (50, 99))
    return {"p50": p50, "p99": p99, "rate": len(seconds) / sum(seconds), "count": len(seconds)}


def _warm_up(nbytes: int) -> int:
    return 3 + min(100, _KEPT_BYTES // nbytes)


def _overwrites_a_second(overwrite: Overwrite) -> float:
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < _RAW_SECONDS:
        overwrite()
        count += 1
    return count / (time.perf_counter() - begun)


def _commits_a_second(clients: Sequence[Client]) -> float:
    """All at once, each with one commit under way; the last ones are waited for."""
    before = sum(client.version for client in clients)
    running = threading.Semaphore(0)
    begun = time.perf_counter()
    for client in clients:
        client.go_on_until(begun + _STORE_SECONDS, running.release)
    for _ in clients:
        if not running.acquire(timeout=60):
            raise Wrong("a commit was never acknowledged, or failed")
    seconds = time.perf_counter() - begun
    return (sum(client.version for client in clients) - before) / seconds


@contextmanager
def _store(folder: Path) -> Iterator[SqliteStore]:
    place = folder / "store"
    store = SqliteStore(place)
    try:
        yield store
    finally:
        store.close()
        shutil.rmtree(place)


@contextmanager
def _overwrite(folder: Path, nbytes: int) -> Iterator[Overwrite]:
    path = folder / "raw"
    overwrite = Overwrite(path, nbytes)
    try:
        yield overwrite
    finally:
        overwrite.close()
        path.unlink()
