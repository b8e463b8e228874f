"""A step over HTTP: what one client waits for an answer that is on disk, beside what cannot be avoided.

Invariant: every step is one that a client would send, and the network has made all of them at the end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from safetensors.numpy import save

from benchmarks.core.cases import CASES, Batch, draw
from benchmarks.core.engines.gradwire import architecture, descent
from benchmarks.http.client import Connection, Request
from benchmarks.http.process import Server, free_port
from benchmarks.store.cases import Case
from benchmarks.store.measure import percentiles
from benchmarks.store.subjects import Overwrite, Wrong
from core import Parameters, Trainer

__all__ = ["JSON", "SAFETENSORS", "ask", "serving", "steps"]

_NETWORK = CASES["a"]
JSON, SAFETENSORS = "application/json", "application/vnd.safetensors"


def steps(case: Case, folder: Path, count: int) -> dict[str, Any]:
    """Seconds of each step over HTTP, of each overwrite of its parameters, and of the computation, in turns."""
    problem = draw(_NETWORK, "float32")
    trainer = Trainer(Parameters(architecture(_NETWORK, "float32"), problem.vector.copy()), descent(_NETWORK))
    raw: list[float] = []
    ours: list[float] = []
    computation: list[float] = []
    overwrite = Overwrite(folder / "raw", problem.vector.nbytes)
    with serving(folder / "served") as connection:
        network = _created(connection)
        request = _step(network, problem.batches[0])
        for _ in range(100):
            ask(connection, request)
        for _ in range(-(-count // case.burst)):
            raw += [overwrite() for _ in range(case.burst)]
            ours += [ask(connection, request) for _ in range(case.burst)]
            computation += [_computed(trainer, problem.batches[0]) for _ in range(case.burst)]
        reply = connection.exchange(Request(f"GET {network} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode(), b""))
        if json.loads(reply.body)["version"] != 100 + len(ours):
            raise Wrong("the network has not made all steps that were answered")
    overwrite.close()
    return {
        "raw": percentiles(raw),
        "store": percentiles(ours),
        "computation": percentiles(computation),
        "ratio": (median(ours) - median(computation)) / median(raw),
    }


def ask(connection: Connection, request: Request) -> float:
    """A step; the seconds until it was answered."""
    reply = connection.exchange(request)
    if reply.status != 200:
        raise Wrong(f"a step was answered with {reply.status}: {bytes(reply.body[:300])!r}")
    return reply.seconds


def _computed(trainer: Trainer, batch: Batch) -> float:
    begun = time.perf_counter()
    trainer.step(batch.x, batch.y)
    return time.perf_counter() - begun


def _created(connection: Connection) -> str:
    layers = [{"units": units, "activation": "sigmoid"} for units in _NETWORK.sizes[1:]]
    spec = {"inputs": _NETWORK.sizes[0], "layers": layers, "cost": "quadratic", "dtype": "float32", "seed": 0}
    reply = connection.exchange(Request.post("/v1/networks", JSON, json.dumps(spec).encode()))
    return f"/v1/networks/{json.loads(reply.body)['id']}"


def _step(network: str, batch: Batch) -> Request:
    options = {"optimizer": {"kind": "sgd", "learning_rate": _NETWORK.learning_rate}}
    body = save({"inputs": batch.x, "targets": batch.y}, {"json": json.dumps(options)})
    return Request.post(f"{network}/sgd-step", SAFETENSORS, body)


@contextmanager
def serving(folder: Path) -> Iterator[Connection]:
    """A connection to a server on a folder, which is killed in the end."""
    port = free_port()
    program = Path(sys.executable).with_name("gradwire")
    server = Server("gradwire", [str(program), "serve", "--port", str(port), "--data", str(folder)], port)
    try:
        connection = Connection(port)
        yield connection
        connection.close()
    finally:
        server.close()
