"""Steps kept as records beside steps kept as numbers: in the store alone, over HTTP, and after a crash.

Invariant: both networks make the same steps in turns, and have made all of them at the end; they then hold the
same bits, also after the one whose steps were logged has computed them again.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from benchmarks.http.client import Connection, Request
from benchmarks.store.cases import Case
from benchmarks.store.measure import percentiles
from benchmarks.store.over_http import JSON, SAFETENSORS, ask, serving
from benchmarks.store.subjects import Client, Logger, Wrong
from service.storage.sqlite import SqliteStore

__all__ = ["modes"]

_ROWS = 32
_LAYERS = {
    100_000: (160, [128, 32]),
    1_000_000: (512, [384, 128]),
    10_000_000: (1024, [1024, 896, 512]),
    100_000_000: (3072, [3072, 3072, 2000]),
    400_000_000: (6000, [6000, 6000, 4600]),
}
"""Inputs and units: about so many bytes of float32 parameters."""
_OPTIONS = {"sgd": {"kind": "sgd", "learning_rate": 1e-3}, "adam": {"kind": "adam", "learning_rate": 1e-5}}


def modes(case: Case, folder: Path, count: int) -> dict[str, Any]:
    """Seconds of each step in both modes, in turns of `case.burst`; `count` of each."""
    return {**_in_the_store(case, folder / "alone", count), **_over_http(case, folder / "served", count)}


def _in_the_store(case: Case, folder: Path, count: int) -> dict[str, Any]:
    optimizer = case.optimizer or "sgd"
    with closing(SqliteStore(folder)) as store:
        subjects = [kind(store, number, case.nbytes, optimizer) for number, kind in enumerate((Client, Logger))]
        subjects[1].batch = _batch(case)
        found = _turns(subjects, case.burst, min(count, 200 if case.nbytes < 10**8 else 40))
        for subject in subjects:
            subject.check()
    return {"store_whole": found[0], "store_record": found[1]}


def _over_http(case: Case, folder: Path, count: int) -> dict[str, Any]:
    x, y = _batch(case)
    options = {"optimizer": _OPTIONS[case.optimizer or "sgd"]}
    body = save({"inputs": x, "targets": y}, {"json": json.dumps(options)})
    with serving(folder) as connection:
        paths = [_created(connection, case, durability) for durability in ("full", "replay")]
        steps = [Request.post(f"{path}/sgd-step", SAFETENSORS, body) for path in paths]
        for step in steps * 2:
            ask(connection, step)
        found = _turns([lambda step=step: ask(connection, step) for step in steps], case.burst, count)
        wanted = _parameters(connection, paths[0])
    with serving(folder) as connection:  # the process before was killed
        versions = _get(connection, f"{paths[1]}/versions?limit=500")["versions"]
        whole = max(entry["stored_bytes"] for entry in versions)
        again = next(at for at, entry in enumerate(versions) if entry["stored_bytes"] == whole)
        begun = time.perf_counter()
        if _parameters(connection, paths[1]) != wanted or versions[0]["version"] != 2 + found[1]["count"]:
            raise Wrong("the network whose steps are logged is not where the other one is")
        seconds = time.perf_counter() - begun
    nbytes = x.nbytes + y.nbytes
    return {
        "record_bytes": nbytes,
        "whole": found[0],
        "record": found[1],
        "again": {"steps": again, "seconds": seconds},
        "ratio": found[0]["p50"] / found[1]["p50"],
    }


def _turns(subjects: list[Any], burst: int, count: int) -> list[dict[str, float]]:
    seconds: list[list[float]] = [[] for _ in subjects]
    for _ in range(-(-count // burst)):
        for mine, subject in zip(seconds, subjects, strict=True):
            mine += [subject() for _ in range(burst)]
    return [percentiles(mine) for mine in seconds]


def _batch(case: Case) -> tuple[np.ndarray, np.ndarray]:
    inputs, units = _LAYERS[case.nbytes]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((_ROWS, inputs), np.float32)
    return x, rng.random((_ROWS, units[-1]), np.float32)


def _created(connection: Connection, case: Case, durability: str) -> str:
    inputs, units = _LAYERS[case.nbytes]
    layers = [{"units": unit, "activation": "tanh"} for unit in units]
    spec = {"inputs": inputs, "layers": layers, "dtype": "float32", "seed": 0, "durability": durability}
    reply = connection.exchange(Request.post("/v1/networks", JSON, json.dumps(spec).encode()))
    return f"/v1/networks/{json.loads(reply.body)['id']}"


def _parameters(connection: Connection, path: str) -> bytes:
    head = f"GET {path}/parameters HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: {SAFETENSORS}\r\n\r\n"
    return bytes(connection.exchange(Request(head.encode(), b"")).body)


def _get(connection: Connection, path: str) -> Any:
    reply = connection.exchange(Request(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode(), b""))
    return json.loads(reply.body)
