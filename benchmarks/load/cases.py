"""What is measured: each case has a server of its own, and says what it found beside the most that it may find.

Invariant: every answer that counts is a 200, and every refusal a 503 that says when to come back.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save

from benchmarks.http.calls import JSON, OPTIMIZER, SAFETENSORS
from benchmarks.http.client import Connection, Request
from benchmarks.http.process import Failure, Server, free_port
from benchmarks.load.flood import Flood

__all__ = ["CASES", "Row"]

Row = dict[str, Any]
"""`found` is held against `bar`, if there is one; `said` is the rest, in words."""

_TANH: Final = {"activation": "tanh"}
_WIDE: Final = {"inputs": 1, "layers": [_TANH | {"units": 1000}] * 6 + [_TANH | {"units": 1}]}
"""Five million weights for one input: what takes long is its products, and hardly anything goes over the wire."""
_DIGITS: Final = {"inputs": 784, "layers": [_TANH | {"units": 30}, _TANH | {"units": 10}]}
_SMALL: Final = {"inputs": 784, "layers": [_TANH | {"units": 30}, _TANH | {"units": 1}]}
_STUDENT: Final = {"inputs": 784, "layers": [_TANH | {"units": 512}] * 2 + [_TANH | {"units": 1}]}
"""Large enough that a step's computation and its way to the disk take about as long."""
_LONG: Final = 2.0
"""Seconds of a computation that others should not notice."""
_ROWS_OF_TEXT: Final = 5000
"""Examples with 784 numbers each, in JSON: some 80 MB."""
_TIMES: Final = 10
"""The load in capacities."""


class _Served:
    """A server with one network, and a connection to it."""

    def __init__(self, server: Server, spec: dict[str, Any]) -> None:
        self.server = server
        self.connection = Connection(server.port)
        status, body = self._exchange(Request.post("/v1/networks", JSON, json.dumps(spec).encode()))
        if status != 201:
            raise Failure(f"the network could not be made: {body!r}")
        self.network = f"/v1/networks/{json.loads(body)['id']}"

    def request(
        self,
        operation: str,
        rows: int,
        inputs: int,
        *,
        media: str = SAFETENSORS,
        close: bool = False,
        job: bool = False,
    ) -> Request:
        """A call with a batch of so many examples, or a job."""
        arrays = {"inputs": np.random.default_rng(0).random((rows, inputs), np.float32)}
        options = {}
        if operation != "feedforward":
            arrays["targets"] = np.zeros((rows, 1), np.float32)
            options = {"optimizer": OPTIMIZER}
        if media == JSON:
            body = json.dumps(options | {name: array.tolist() for name, array in arrays.items()}).encode()
        else:
            body = save(arrays, metadata={"json": json.dumps(options)} if options else None)
        headers = {"connection": "close"} if close else {}
        if job:
            headers["prefer"] = "respond-async"
        return Request.post(f"{self.network}/{operation}", media, body, headers)

    def ask(self, request: Request) -> float:
        """The seconds until the answer was there. Raises `Failure` unless it is a 200."""
        begun = time.perf_counter()
        status, body = self._exchange(request)
        if status != 200:
            raise Failure(f"answered {status}: {body[:300]!r}")
        return time.perf_counter() - begun

    def version(self) -> int:
        """Of the network, now."""
        _, body = self._exchange(Request.get(self.network))
        return int(json.loads(body)["version"])

    def _exchange(self, request: Request) -> tuple[int, bytes]:
        reply = self.connection.exchange(request)
        return reply.status, bytes(reply.body)


@contextmanager
def _serving(spec: dict[str, Any]) -> Iterator[_Served]:
    """`gradwire serve` with a new store, and a network in it."""
    with tempfile.TemporaryDirectory(prefix="bench-load-") as folder:
        port = free_port()
        program = Path(sys.executable).with_name("gradwire")
        server = Server("gradwire", [str(program), "serve", "--port", str(port), "--data", folder], port)
        try:
            yield _Served(server, spec)
        finally:
            server.close()


def _alive(operation: str, media: str = SAFETENSORS) -> Row:
    """`/healthz` on one connection, while another one has something long done three times."""
    spec, inputs = (_WIDE, 1) if media == SAFETENSORS else (_DIGITS, 784)
    with _serving(spec) as served:
        rows = (
            _ROWS_OF_TEXT if media == JSON else _rows_for(_LONG, lambda n: served.request(operation, n, inputs), served)
        )
        request = served.request(operation, rows, inputs, media=media)
        took: list[float] = []
        computing = threading.Thread(target=lambda: took.extend(served.ask(request) for _ in range(3)))
        pings: list[float] = []
        healthz, watcher = Request.get("/healthz"), Connection(served.server.port)
        computing.start()
        while computing.is_alive():
            reply = watcher.exchange(healthz)
            if reply.status != 200:
                raise Failure(f"/healthz answered {reply.status}")
            pings.append(reply.seconds)
            time.sleep(0.005)
        computing.join()
        if len(took) < 3:
            raise Failure("the computation was not answered")
    p50, p99 = _percentiles(pings)
    form = "safetensors" if media == SAFETENSORS else f"{len(request.body) / 1e6:.0f} MB of JSON"
    return {
        "title": f"/healthz p99 beside a {operation} of {min(took):.1f} s, {form}, in ms",
        "found": 1e3 * p99,
        "bar": 20.0 if media == SAFETENSORS else None,  # nothing is computed: what holds the loop up is the body itself
        "said": f"p50 {1e3 * p50:.2f} ms, longest {1e3 * max(pings):.1f} ms of {len(pings)}",
    }


def _rows_for(seconds: float, request: Callable[[int], Request], served: _Served) -> int:
    """How large a batch takes so long, going by smaller ones."""
    rows = 50
    while True:
        served.ask(request(rows))
        took = served.ask(request(rows))
        if took > 0.2 * seconds:
            return round(rows * seconds / took)
        rows = round(rows * min(8.0, 0.5 * seconds / took))


def _overload() -> Row:
    """Ten times as many calls as can be answered, for ten seconds, after as many of two seconds."""
    with _serving(_WIDE) as served:
        server, port = served.server, served.server.port
        request = served.request("feedforward", 500, 1, close=True)
        threads = os.cpu_count() or 1
        alone, calm = Flood(port, request), Flood(port, request)
        Flood(port, request).in_turn(threads, 5)
        alone.in_turn(1, 100)
        capacity = calm.in_turn(threads, 50)
        Flood(port, request).at(_TIMES * capacity, 2)  # brings the process to the size of so many connections
        before, flood = _resident(server), Flood(port, request)
        flood.at(_TIMES * capacity, 10)
        grown = _resident(server) - before
        if set(flood.statuses) != {200, 503} or not flood.retry_after or "" in flood.retry_after:
            raise Failure(f"unexpected answers: {dict(flood.statuses)}, Retry-After {flood.retry_after}")
    p99, full, loaded = (_percentiles(each.seconds)[1] for each in (alone, calm, flood))
    told = sorted(map(int, flood.retry_after))
    return {
        "title": f"{_TIMES} times the capacity: p99 of whom is admitted, times p99 of one client alone",
        "found": loaded / p99,
        "bar": 3.0,
        "said": f"{1e3 * loaded:.0f} ms and {1e3 * p99:.0f} ms ({1e3 * full:.0f} ms with {threads} clients); "
        f"capacity {capacity:.0f}/s; answered {flood.statuses[200] / 10:.0f}/s, refused {flood.statuses[503] / 10:.0f}/s "
        f"with Retry-After {told[0]} to {told[-1]}; memory {grown / 2**20:+.1f} MiB",
    }


def _one_network() -> Row:
    """Steps a second of one network, by many clients and by one of them alone."""
    many, rate = 16, {}
    with _serving(_STUDENT) as served:
        request = served.request("sgd-step", 32, 784, close=True)
        Flood(served.server.port, request).in_turn(many, 20)
        for _ in range(3):  # in turns
            for clients in (1, many):
                flood = Flood(served.server.port, request)
                rate.setdefault(clients, []).append(flood.in_turn(clients, 800 // clients))
                if set(flood.statuses) != {200}:
                    raise Failure(f"unexpected answers: {dict(flood.statuses)}")
    alone, together = (float(np.median(rate[clients])) for clients in (1, many))
    return {
        "title": f"steps of one network by {many} clients, times those by one",
        "found": together / alone,
        "bar": None,
        "said": f"{together:.0f}/s and {alone:.0f}/s, of 665,089 parameters in batches of 32, each on disk before it is answered",
    }


def _jobs() -> Row:
    """Steps a second that are asked for as jobs, by many clients, and of those that are answered."""
    clients, each = 8, 50  # fewer than may wait
    with _serving(_SMALL) as served:
        port, took = served.server.port, []
        step, job = (served.request("sgd-step", 10, 784, close=True, job=job) for job in (False, True))
        Flood(port, step).in_turn(clients, 20)
        direct = Flood(port, step).in_turn(clients, each)
        for _ in range(3):
            flood, target = Flood(port, job), served.version() + clients * each
            begun = time.perf_counter()
            flood.in_turn(clients, each)
            if set(flood.statuses) != {202}:
                raise Failure(f"unexpected answers: {dict(flood.statuses)}")
            while served.version() < target:
                time.sleep(0.01)
            took.append(time.perf_counter() - begun)
    rate = clients * each / float(np.median(took))
    return {
        "title": f"steps as jobs of one network, by {clients} clients, times those answered",
        "found": rate / direct,
        "bar": None,
        "said": f"{rate:.0f}/s, from the first request to the last version, and {direct:.0f}/s, of 23,581 parameters in"
        " batches of 10",
    }


def _memory() -> Row:
    """The most memory that one large request takes, beside its tensors."""
    with _serving(_DIGITS) as served:
        served.ask(served.request("feedforward", 1, 784))
        rows = 40_000
        request = served.request("feedforward", rows, 784)
        served.server.reset_peak()
        before = served.server.peak_bytes()
        served.ask(request)
        taken = served.server.peak_bytes() - before
    tensors = 4 * rows * (784 + 10)
    return {
        "title": "memory of a safetensors request, times its tensors",
        "found": taken / tensors,
        "bar": 2.5,
        "said": f"{taken / 1e6:.0f} MB for {tensors / 1e6:.0f} MB of inputs and outputs",
    }


def _resident(server: Server) -> int:
    """Bytes in memory now: the peak from now on, as soon as it is asked for."""
    server.reset_peak()
    return server.peak_bytes()


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(seconds, (50, 99))
    return float(p50), float(p99)


CASES: Final[dict[str, Callable[[], Row]]] = {
    "alive-feedforward": lambda: _alive("feedforward"),
    "alive-step": lambda: _alive("sgd-step"),
    "alive-json": lambda: _alive("feedforward", JSON),
    "overload": _overload,
    "one-network": _one_network,
    "jobs": _jobs,
    "memory": _memory,
}
