"""The only file that builds concrete stores and engines: a running service from its settings, and its orderly end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from core.backend import select
from core.plans.native.library import runner
from core.plans.threads import share_cores
from service.codecs import matrices
from service.engine.fair import Patience
from service.engine.local import LocalEngine
from service.engine.memory import Memory
from service.engine.replay import Bounds as ReplayBounds
from service.jobs import Bounds, Failure, Jobs, Runner
from service.metrics import Metrics
from service.operations.logged_steps import LoggedSteps
from service.operations.service import Service
from service.operations.views import seen_by
from service.operations.workspaces import Workspaces
from service.problems import face_of
from service.routers import KINDS
from service.settings import Settings
from service.storage.jobs.changes import JobRetention
from service.storage.retention import Retention
from service.storage.sqlite import SqliteStore

__all__ = ["Running", "about", "start", "stop"]


@dataclass(frozen=True)
class Running:
    """What an application works with."""

    service: Service
    jobs: Jobs


async def start(settings: Settings, metrics: Metrics, memory: Memory | None = None) -> Running:
    """Choose the backend, open the store, put the engine on it and go on with its jobs.

    `memory` is what large bodies are held against too.

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
        job_retention=JobRetention(jobs=settings.keep_jobs, result_bytes=settings.job_result_bytes),
        sync=settings.sync,
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
        recompute=LoggedSteps(backend, Workspaces(backend)),
        bounds=ReplayBounds(settings.replay_steps, settings.replay_bytes, settings.replay_seconds),
    )
    _show(metrics, engine, memory)
    service = Service(settings, engine, metrics)
    runner = Runner(store.jobs, KINDS, partial(seen_by, service), _explained, _bounds(settings))
    metrics.gauge("gradwire_jobs_queued", "Jobs that wait for their turn.", lambda: runner.queued)
    metrics.gauge("gradwire_jobs_running", "Jobs that run.", lambda: runner.running)
    jobs = Jobs(runner)
    await jobs.start()
    return Running(service, jobs)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        workers=settings.job_workers,
        queue=settings.job_queue,
        queue_bytes=settings.job_queue_bytes,
        result_seconds=settings.job_result_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        leave_seconds=settings.shutdown_seconds,
    )


def _explained(error: Exception) -> Failure:
    """The problem that a request would have been answered with, where it is a job's."""
    face = face_of(error)
    return Failure(face.document, face.headers)


def _show(metrics: Metrics, engine: LocalEngine, memory: Memory) -> None:
    workers = engine.workers
    metrics.gauge("gradwire_live_bytes", "Bytes of the networks in memory.", lambda: engine.live_bytes)
    metrics.gauge("gradwire_live_networks", "Networks in memory.", lambda: engine.live_networks)
    metrics.gauge("gradwire_working_bytes", "Estimated memory of the work at hand.", lambda: memory.held)
    metrics.gauge("gradwire_compute_running", "Computations in threads.", lambda: workers.running)
    metrics.gauge("gradwire_queue_depth", "Computations that wait for a thread.", lambda: workers.depth)
    metrics.gauge("gradwire_queue_backlog_seconds", "What both will take, by estimate.", lambda: workers.backlog)


async def stop(running: Running) -> None:
    """Finish the jobs that run and the writes that are queued, and let go of the store."""
    await running.jobs.stop()
    await running.service.engine.close()


def about(running: Running) -> str:
    """Backend and store, for the line that says that the service listens."""
    engine = running.service.engine
    backend = engine.backend
    slower = ""
    if backend.name == "numpy" and runner(releases=True) is None:
        slower += ", small passes slower than they could be, as core/plans/native/run.c was not compiled"
    if not matrices.AVAILABLE:
        slower += ", JSON read slower than it could be, as service/codecs/native/rows.c was not compiled"
    return f"backend {backend.name} ({backend.device}, {backend.blas}){slower}, {engine.description}"
