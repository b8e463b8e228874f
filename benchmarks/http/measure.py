"""Servers checked, then asked in interleaved bursts: one at a time is active while all are running."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from benchmarks.core.reference import Disagreement
from benchmarks.http.calls import Call, Numbers
from benchmarks.http.client import Connection, Request
from benchmarks.http.contestants import Contestant, Echo

__all__ = ["TOLERANCE", "Plan", "Timing", "measure"]

TOLERANCE = 5e-3
"""In float32, as in the core's benchmark: a wrong factor or a lost row is far more."""
_IDLE = 2.0
"""Seconds after which connections are made anew: some servers close those that were idle for five."""
_SETTLE = 0.004
"""Seconds after a burst for what a server does when it has answered."""


@dataclass(frozen=True)
class Plan:
    """How long it is measured."""

    rounds: int = 21
    burst_seconds: float = 0.06
    budget_seconds: float = 5.0
    """A server that has used so much has had enough after `least` bursts."""
    least: int = 5


@dataclass
class Timing:
    """What one server needed for one call."""

    server: str
    error: float
    answer_bytes: int
    bursts: list[float] = field(default_factory=list)
    """Microseconds of processor time a request, of each burst."""
    latencies: list[float] = field(default_factory=list)
    """Seconds, of every request."""
    count: int = 1
    """Requests in a burst."""
    spent: float = 0.0

    @property
    def processor(self) -> float:
        """Microseconds of processor time a request: the median of the bursts."""
        return median(self.bursts)

    def document(self) -> dict[str, Any]:
        """For JSON; of the latencies what is reported."""
        p50, p99 = (float(np.percentile(self.latencies, share)) * 1e6 for share in (50, 99))
        return {
            "server": self.server,
            "error": self.error,
            "answer_bytes": self.answer_bytes,
            "processor": self.processor,
            "bursts": self.bursts,
            "requests": len(self.latencies),
            "p50": p50,
            "p99": p99,
        }


@dataclass
class _Racer:
    contestant: Contestant
    request: Request
    timing: Timing
    connections: list[Connection]
    used: float = field(default_factory=time.perf_counter)
    """When the connections were last asked over."""

    def burst(self) -> None:
        """Ask `timing.count` times, and see what that took the server."""
        if time.perf_counter() - self.used > _IDLE:
            self._connect_again()
        begun = self.contestant.server.processor_seconds()
        started = time.perf_counter()
        self.timing.latencies += _ask(self.connections, self.request, self.timing.count)
        took = time.perf_counter() - started
        time.sleep(_SETTLE)
        used = self.contestant.server.processor_seconds() - begun
        self.timing.bursts.append(1e6 * used / self.timing.count)
        self.timing.spent += took
        self.used = time.perf_counter()

    def _connect_again(self) -> None:
        for connection in self.connections:
            connection.close()
        self.connections = [self.contestant.connect() for _ in self.connections]

    def calibrate(self, plan: Plan) -> None:
        """A burst that does not count tells how many requests one has."""
        clients = len(self.connections)
        self.timing.count = 2 * clients
        self.burst()
        self.burst()
        each = self.timing.spent / (2 * self.timing.count)
        self.timing.count = clients * max(1, round(plan.burst_seconds / each / clients))
        self.timing.bursts, self.timing.latencies, self.timing.spent = [], [], 0.0


def measure(call: Call, clients: int, contestants: Sequence[Contestant], plan: Plan) -> list[Timing]:
    """Check and time one call, asked over `clients` connections at once, on every server that takes it.

    The echo answers as many bytes as the first server that is not an echo, which has to be ours.

    Raises:
        Disagreement: a server answered something else than the reference.
    """
    numbers, racers = Numbers(call), []
    try:
        for contestant in sorted(contestants, key=lambda each: isinstance(each, Echo)):
            if call in contestant.takes:
                if isinstance(contestant, Echo):
                    contestant.answers = racers[0].timing.answer_bytes
                racers.append(_checked(contestant, numbers, clients))
        for racer in racers:
            racer.calibrate(plan)
        for turn in range(plan.rounds):
            for racer in racers:
                if turn < plan.least or racer.timing.spent < plan.budget_seconds:
                    racer.burst()
    finally:
        for racer in racers:
            for connection in racer.connections:
                connection.close()
    return [racer.timing for racer in racers]


def _checked(contestant: Contestant, numbers: Numbers, clients: int) -> _Racer:
    request = contestant.ready(numbers)
    connections = [contestant.connect() for _ in range(clients)]
    reply = connections[0].exchange(request)
    error = contestant.error(numbers, reply) if reply.status == 200 else float("inf")
    if not error <= TOLERANCE:
        raise Disagreement(
            f"{contestant.name} does not answer what the others do: {numbers.call.title}: status {reply.status}, "
            f"relative error {error:.2g}, more than {TOLERANCE:g}: {bytes(reply.body[:300])!r}"
        )
    return _Racer(contestant, request, Timing(contestant.name, error, len(reply.body)), connections)


def _ask(connections: Sequence[Connection], request: Request, count: int) -> list[float]:
    """The seconds of `count` requests, one under way on every connection at any time.

    Raises:
        ConnectionError: one was not answered with 200.
    """
    clients = len(connections)
    sent, latencies = [0.0] * clients, []
    for index, connection in enumerate(connections):
        sent[index] = time.perf_counter()
        connection.send(request)
    for number in range(count):
        index = number % clients
        status, body = connections[index].receive()
        latencies.append(time.perf_counter() - sent[index])
        if status != 200:
            raise ConnectionError(f"answered {status}: {bytes(body[:300])!r}")
        if number + clients < count:
            sent[index] = time.perf_counter()
            connections[index].send(request)
    return latencies
