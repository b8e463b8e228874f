"""One run of a job: its request read back from disk, the work done, and what came of it, also when it was cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

from service.engine.base import Guard
from service.engine.waiting import PATIENT
from service.errors import Gone, Interrupted, Overloaded, ServiceError, StillRunning
from service.jobs.kinds import Ended, Failure, Kind, Work, pause
from service.jobs.live import LiveJob
from service.operations.service import Service
from service.storage.jobs.base import JobStore

__all__ = ["Cancelled", "Outcome", "Running", "guard_document"]

_log = logging.getLogger(__name__)
_ATTEMPTS: Final = 3
_PATIENCE: Final = 600.0
"""Seconds for which a job tries again what there is no room for, ..."""
_LOOK_AGAIN: Final = 1
"""... each of them after so many at most: what is said of the time until then is a guess, and a worker waits for it."""


@dataclass(frozen=True)
class Cancelled:
    """The job was stopped, and has changed nothing."""


Outcome = Ended | Failure | Cancelled
"""What a job came to."""


class Running:
    """Runs jobs.

    Args:
        kinds: how each is run.
        store: where their requests are.
        service_of: the service as an owner sees it.
        explain: what is answered to an error.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        store: JobStore,
        service_of: Callable[[str], Service],
        explain: Callable[[Exception], Failure],
    ) -> None:
        self._kinds = kinds
        self._store = store
        self._service_of = service_of
        self._explain = explain

    async def outcome(self, job: LiveJob, progress: Callable[[Mapping[str, Any]], None]) -> Outcome:
        """Run a job to its end. It is cancelled through its token and its task, and then still waited for."""
        PATIENT.set(True)  # of this task and those that it makes: the job has been promised
        try:
            work = await self._work(job, progress)
            return await self._tried(job, work)
        except Exception as error:  # noqa: BLE001  whatever it is, it is what the job came to
            return self._failed(job, error)

    async def _work(self, job: LiveJob, progress: Callable[[Mapping[str, Any]], None]) -> Work:
        record, loop = job.record, asyncio.get_running_loop()

        def report(said: Mapping[str, Any]) -> None:
            loop.call_soon_threadsafe(progress, said)

        body = job.body
        if body is None:
            body = await asyncio.to_thread(self._store.body, record.id)
        guard = _guard(record.request["guard"])
        if guard.key is None:
            guard = replace(guard, key=record.id, fingerprint=record.id)
        media = record.request["media"]
        return Work(record.id, record.network, body, media, guard, record.attempts, job.token, report)

    async def _tried(self, job: LiveJob, work: Work) -> Outcome:
        """One run after another, while all that is wrong is that there is no room."""
        until = monotonic() + _PATIENCE
        kind = self._kinds.get(job.record.kind)
        if kind is None:
            raise Gone(f"This service does not know jobs of the kind {job.record.kind!r}.")
        if work.attempt > _ATTEMPTS:
            if (landed := await self._landed(job, kind, work)) is not None:
                return landed
            raise Interrupted(f"The service stopped {work.attempt - 1} times while it ran this job.")
        while not job.token.cancelled:
            try:
                found = await self._once(job, kind, work)
            except (Overloaded, StillRunning) as error:
                if monotonic() > until:
                    raise
                await pause(job.token, min(error.retry_after, _LOOK_AGAIN))
            else:
                return found or await self._landed(job, kind, work) or Cancelled()
        return Cancelled()

    async def _once(self, job: LiveJob, kind: Kind, work: Work) -> Ended | None:
        """What a run came to; None where it was cancelled."""
        job.work = asyncio.ensure_future(kind.run(self._service_of(job.record.owner), work))
        try:
            await asyncio.wait([job.work])
        except asyncio.CancelledError:
            job.work.cancel()  # the process ends; the job does not
            await asyncio.wait([job.work])
            raise
        return None if job.work.cancelled() else job.work.result()

    async def _landed(self, job: LiveJob, kind: Kind, work: Work) -> Ended | None:
        """A write that has reached the disk is not undone: its first answer is the job's. None: nothing has."""
        service = self._service_of(job.record.owner)
        if not kind.writes:
            return None
        try:
            first = await service.engine.look(work.network, replace(work.guard, if_match="*"))
        except ServiceError:
            return None  # what it would be refused with now is not what it came to
        return None if first is None else await kind.run(service, work)

    def _failed(self, job: LiveJob, error: Exception) -> Failure:
        failure = self._explain(error)
        if failure.document["status"] >= 500:
            _log.error("job %s: %s: %s", job.record.id, type(error).__name__, error, exc_info=error)
        return failure


def guard_document(guard: Guard) -> dict[str, Any]:
    """The conditions of a request, as JSON."""
    versions = sorted(guard.if_match) if isinstance(guard.if_match, frozenset) else guard.if_match
    return {"if_match": versions, "key": guard.key, "fingerprint": guard.fingerprint}


def _guard(document: Mapping[str, Any]) -> Guard:
    versions = document["if_match"]
    if isinstance(versions, list):
        versions = frozenset(versions)
    return Guard(versions, document["key"], document["fingerprint"])
