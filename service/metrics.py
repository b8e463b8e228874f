"""What is counted and measured, in a registry of its own: two applications in one process do not share a number.

What every request counts is kept in plain numbers, which one thread writes, and becomes Prometheus's families when they
are asked for: a counter with a lock costs each request more than its routing does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["Metrics"]

_SECONDS: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Metrics:
    """The numbers of one application; `/metrics` shows them in Prometheus's text format."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = _Requests()
        self._registry.register(self._requests)
        self._computations = _Computations()
        self._registry.register(self._computations)
        self._commits = Counter(
            "gradwire_store_commits", "Writes on disk, by what made them.", ("made_by",), registry=self._registry
        )
        self._networks = Gauge("gradwire_store_networks", "Networks in the store.", registry=self._registry)
        self._used = Gauge("gradwire_store_bytes", "Bytes of the store's files.", registry=self._registry)
        self._free = Gauge("gradwire_store_free_bytes", "Bytes free where the store is.", registry=self._registry)
        self.gauge("gradwire_requests_running", "Requests without an answer yet.", lambda: self._requests.running)

    def begun(self) -> None:
        """Count one request that has come in."""
        self._requests.running += 1

    def answered(self, method: str, route: str, status: int, seconds: float, *, came: int = 0, went: int = 0) -> None:
        """Count one request that was begun, and the bytes of its bodies.

        `route` is a template, never a path, so that clients cannot make up series.
        """
        self._requests.running -= 1
        self._requests.count((method, route, status), seconds, came, went)

    def computed(self, seconds: float, waited: float | None) -> None:
        """Count a computation, and what it waited for a thread; None: it ran on the event loop."""
        self._computations.count(seconds, waited)

    def refused(self) -> None:
        """Count a computation that was refused, since too much was there already."""
        self._computations.refused += 1

    def committed(self, made_by: str) -> None:
        """Count one write that is on disk; a first answer that is given again is none."""
        self._commits.labels(made_by).inc()

    def holds(self, networks: int, bytes_used: int, bytes_free: int) -> None:
        """Say how much the store holds."""
        self._networks.set(networks)
        self._used.set(bytes_used)
        self._free.set(bytes_free)

    def gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Show a number that is read when the metrics are."""
        Gauge(name, about, registry=self._registry).set_function(value)

    def render(self) -> bytes:
        """All metrics, as text."""
        return generate_latest(self._registry)


class _Durations:
    """A histogram of seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> Sequence[tuple[str, float]]:
        shown, below = [], 0
        for bound, count in zip((*_SECONDS, float("inf")), self.counts, strict=True):
            below += count
            shown.append(("+Inf" if bound == float("inf") else str(bound), float(below)))
        return shown


class _Route:
    """All requests of one method to one route that had one status."""

    __slots__ = ("came", "durations", "requests", "went")

    def __init__(self) -> None:
        self.requests = self.came = self.went = 0
        self.durations = _Durations()


class _Requests(Collector):
    def __init__(self) -> None:
        self.running = 0
        self._routes: dict[tuple[str, str, int], _Route] = {}

    def count(self, of: tuple[str, str, int], seconds: float, came: int, went: int) -> None:
        route = self._routes.get(of)
        if route is None:
            route = self._routes[of] = _Route()
        route.requests += 1
        route.came += came
        route.went += went
        route.durations.add(seconds)

    def collect(self) -> Iterator[Metric]:
        labels = ("method", "route", "status")
        requests = CounterMetricFamily("gradwire_requests", "Requests answered.", labels=labels)
        came = CounterMetricFamily("gradwire_request_bytes", "Bytes in bodies of requests.", labels=labels)
        went = CounterMetricFamily("gradwire_response_bytes", "Bytes in bodies of answers.", labels=labels)
        about = "Seconds from a request's headers to the end of its answer."
        seconds = HistogramMetricFamily("gradwire_request_seconds", about, labels=labels)
        for (method, path, status), route in list(self._routes.items()):
            of = (method, path, str(status))
            requests.add_metric(of, route.requests)
            came.add_metric(of, route.came)
            went.add_metric(of, route.went)
            seconds.add_metric(of, route.durations.buckets(), route.durations.total)
        yield from (requests, came, went, seconds)


class _Computations(Collector):
    def __init__(self) -> None:
        self.refused = 0
        self._loop, self._threads, self._waits = _Durations(), _Durations(), _Durations()

    def count(self, seconds: float, waited: float | None) -> None:
        if waited is None:
            self._loop.add(seconds)
            return
        self._threads.add(seconds)
        self._waits.add(waited)

    def collect(self) -> Iterator[Metric]:
        seconds = HistogramMetricFamily(
            "gradwire_compute_seconds", "Seconds that computations took.", labels=("where",)
        )
        seconds.add_metric(("loop",), self._loop.buckets(), self._loop.total)
        seconds.add_metric(("thread",), self._threads.buckets(), self._threads.total)
        waits = HistogramMetricFamily("gradwire_queue_seconds", "Seconds that computations waited for a thread.")
        waits.add_metric((), self._waits.buckets(), self._waits.total)
        about = "Computations refused, since too much ran or waited already."
        yield from (seconds, waits, CounterMetricFamily("gradwire_queue_refused", about, value=self.refused))
