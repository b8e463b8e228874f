"""The only file that builds concrete stores and engines: a running service from its settings, and its orderly end."""

from __future__ import annotations

import asyncio

from core.backend import select
from core.plans.threads import share_cores
from service.engine.fair import Patience
from service.engine.local import LocalEngine
from service.engine.memory import Memory
from service.metrics import Metrics
from service.operations.service import Service
from service.settings import Settings
from service.storage.retention import Retention
from service.storage.sqlite import SqliteStore

__all__ = ["about", "start", "stop"]


async def start(settings: Settings, metrics: Metrics, memory: Memory | None = None) -> Service:
    """Choose the backend, open the store and put the engine on it, with what large bodies are held against too.

    Raises:
        BackendUnavailable: CuPy was asked for and cannot be had.
        StorageUnavailable: the folder cannot be used, or another process owns it.
    """
    backend = select(settings.backend)
    if backend.name == "numpy":
        share_cores()
    store = await asyncio.to_thread(
        SqliteStore,
        settings.data,
        retention=Retention(
            versions=settings.keep_versions,
            nbytes=settings.keep_bytes,
            checkpoints=settings.max_checkpoints,
            history=settings.keep_history,
            receipts=settings.keep_receipts,
        ),
    )
    memory = memory or Memory(settings.working_bytes)
    engine = LocalEngine(
        store,
        backend,
        max_live_bytes=settings.max_live_bytes,
        require_if_match=settings.require_if_match,
        waiting=settings.queue_length,
        patience=Patience(settings.queue_seconds, settings.queue_lasting_seconds),
        memory=memory,
        meter=metrics,
    )
    _show(metrics, engine, memory)
    return Service(settings, engine, metrics)


def _show(metrics: Metrics, engine: LocalEngine, memory: Memory) -> None:
    workers = engine.workers
    metrics.gauge("gradwire_live_bytes", "Bytes of the networks in memory.", lambda: engine.live_bytes)
    metrics.gauge("gradwire_live_networks", "Networks in memory.", lambda: engine.live_networks)
    metrics.gauge("gradwire_working_bytes", "Estimated memory of the work at hand.", lambda: memory.held)
    metrics.gauge("gradwire_compute_running", "Computations in threads.", lambda: workers.running)
    metrics.gauge("gradwire_queue_depth", "Computations that wait for a thread.", lambda: workers.depth)
    metrics.gauge("gradwire_queue_backlog_seconds", "What both will take, by estimate.", lambda: workers.backlog)


async def stop(service: Service) -> None:
    """Finish the writes that are queued and let go of the store."""
    await service.engine.close()


def about(service: Service) -> str:
    """Backend and store, for the line that says that the service listens."""
    backend = service.engine.backend
    return f"backend {backend.name} ({backend.device}, {backend.blas}), {service.engine.description}"
