"""The only file that builds concrete stores and engines: a running service from its settings, and its orderly end."""

from __future__ import annotations

import asyncio

from core.backend import select
from core.plans.threads import share_cores
from service.engine.local import LocalEngine
from service.metrics import Metrics
from service.operations.service import Service
from service.settings import Settings
from service.storage.retention import Retention
from service.storage.sqlite import SqliteStore

__all__ = ["about", "start", "stop"]


async def start(settings: Settings, metrics: Metrics) -> Service:
    """Choose the backend, open the store and put the engine on it.

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
    engine = LocalEngine(
        store, backend, max_live_bytes=settings.max_live_bytes, require_if_match=settings.require_if_match
    )
    metrics.gauge("gradwire_live_bytes", "Bytes of the networks in memory.", lambda: engine.live_bytes)
    return Service(settings, engine, metrics)


async def stop(service: Service) -> None:
    """Finish the writes that are queued and let go of the store."""
    await service.engine.close()


def about(service: Service) -> str:
    """Backend and store, for the line that says that the service listens."""
    backend = service.engine.backend
    return f"backend {backend.name} ({backend.device}, {backend.blas}), {service.engine.description}"
