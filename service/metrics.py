"""What is counted and measured, in a registry of its own: two applications in one process do not share a number."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

__all__ = ["Metrics"]

_SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Metrics:
    """The counters of one application; `/metrics` shows them in Prometheus's text format."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "gradwire_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "gradwire_request_seconds",
            "Seconds from a request's headers to the end of its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )

        self._running = Gauge("gradwire_requests_running", "Requests without an answer yet.", registry=self._registry)

        self._commits = Counter(
            "gradwire_store_commits", "Writes on disk, by what made them.", ("made_by",), registry=self._registry
        )
        self._networks = Gauge("gradwire_store_networks", "Networks in the store.", registry=self._registry)
        self._used = Gauge("gradwire_store_bytes", "Bytes of the store's files.", registry=self._registry)
        self._free = Gauge("gradwire_store_free_bytes", "Bytes free where the store is.", registry=self._registry)

    def begun(self) -> None:
        """Count one request that has come in."""
        self._running.inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request that was begun; `route` is a template, never a path, so that clients cannot make up series."""
        self._running.dec()
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

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
