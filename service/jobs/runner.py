"""Runs jobs in turn and tells of them: what it says of a job is on disk, and a crash loses none.

A job that was queued or running when the process ended is run again. Whatever it writes carries a key that is the job's
own, so that the engine applies it once. One during which the process died three times is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any, Final

from service.engine.waiting import landed
from service.errors import StorageError, StorageFull
from service.jobs.bounds import Bounds, Load
from service.jobs.ending import Ending
from service.jobs.fair import Fair
from service.jobs.kinds import Ended, Failure, Kind, described
from service.jobs.live import LiveJob
from service.jobs.running import Cancelled, Outcome, Running
from service.operations.service import Service
from service.storage.base import timestamp
from service.storage.jobs.base import JobEvent, JobRecord, JobStore

__all__ = ["Runner"]

_log = logging.getLogger(__name__)
_AGAIN: Final = 2.0
"""Seconds after which a store that could not keep something, such as one on a full disk, is asked again."""
_REMEMBERED: Final = 64 * 2**20
"""Bytes of requests that wait in memory as well as on disk."""


class Runner:
    """The jobs of one process that have not finished. It belongs to one event loop.

    Args:
        store: where they are.
        kinds: how each is run.
        service_of: the service as an owner sees it.
        explain: what is answered to an error.
        bounds: how much there may be of them.
    """

    def __init__(
        self,
        store: JobStore,
        kinds: Mapping[str, Kind],
        service_of: Callable[[str], Service],
        explain: Callable[[Exception], Failure],
        bounds: Bounds,
    ) -> None:
        self.store = store
        self.bounds = bounds
        self.load = Load(bounds)
        self.leaving = False
        """Whether the process is about to end: nothing begins, and nobody waits."""
        self._leave_by = 0.0
        self._kinds = kinds
        self._running = Running(kinds, store, service_of, explain)
        self._queue = Fair()
        self._live: dict[str, LiveJob] = {}
        self._coming: set[LiveJob] = set()
        """Of those, the ones that are on their way to the disk."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending = Ending()

    @property
    def queued(self) -> int:
        """Jobs that wait for their turn."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Jobs that run."""
        return len(self._tasks)

    async def start(self) -> None:
        """Queue again what had not finished, and begin."""
        for record, nbytes in await asyncio.to_thread(self.store.unfinished):
            told = await asyncio.to_thread(self.store.events, record.id)
            job = self.enter(record, nbytes, told)
            if record.status != "queued":
                with contextlib.suppress(StorageFull):  # it is queued again all the same
                    await self._told(job, replace(record, status="queued"))
            self._wait_for_turn(job)
        self._begin()

    def leave(self) -> None:
        """Begin no more jobs, and end every wait. From now on those that run have as long as requests have."""
        if not self.leaving:
            self._leave_by = monotonic() + self.bounds.leave_seconds
        self.leaving = True
        for job in self._live.values():
            job.token.leave()
            job.wake()

    async def stop(self) -> None:
        """Let the jobs that run finish, while there is time; the rest is run when the process is back."""
        self.leave()
        while (tasks := {*self._tasks.values(), *self._ending.tasks}) and (left := self._leave_by - monotonic()) > 0:
            await asyncio.wait(tasks, timeout=left)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for job in list(self._live.values()):
            if job.record.status == "running":
                job.ending = True  # a thread may go on, and report of a run that does not count
                back = replace(job.record, status="queued", attempts=job.record.attempts - 1)
                with contextlib.suppress(StorageError):  # it is begun again all the same, and counted once too often
                    await self._told(job, back)

    def find(self, job: str) -> LiveJob | None:
        """A job that has not finished, if it is one and on disk."""
        live = self._live.get(job)
        return live if live is not None and live.is_on_disk else None

    def entered(self, job: str) -> LiveJob | None:
        """A job that has not finished, if it is one, though it may be on its way to the disk."""
        return self._live.get(job)

    def waiting(self, network: str) -> int:
        """Jobs of a network that wait for their turn, or are on their way to the disk."""
        return self._queue.of(network) + sum(job.record.network == network for job in self._coming)

    def enter(
        self, record: JobRecord, nbytes: int, told: Sequence[JobEvent] = (), body: bytes | None = None
    ) -> LiveJob:
        """Count a job among those that have not finished; `body`, of its request, may be forgotten."""
        self.load.enter(nbytes)
        job = LiveJob(record, nbytes, told, body if self.load.nbytes <= _REMEMBERED else None)
        self._live[record.id] = job
        if not told:
            self._coming.add(job)
        return job

    def forget(self, job: LiveJob) -> None:
        """Count a job no more."""
        del self._live[job.record.id]
        self._coming.discard(job)
        self.load.leave(job.nbytes)
        job.body = None  # whoever still follows it has no use for it

    def created(self, job: LiveJob, event: JobEvent) -> None:
        """A new job is on disk: tell it, and let it wait for its turn."""
        job.publish(job.record, event)
        self._coming.discard(job)
        self._wait_for_turn(job)
        self._begin()

    def cancel(self, job: LiveJob) -> None:
        """Stop a job; its record says so a moment later, unless it has succeeded meanwhile."""
        job.token.cancel()
        if self._queue.remove(job.record.id, job.record.network):
            self._end(job, Cancelled())  # whoever asked for it may hang up
        elif job.work is not None:
            job.work.cancel()

    def _wait_for_turn(self, job: LiveJob) -> None:
        record = job.record
        kind = self._kinds.get(record.kind)
        self._queue.put(record.id, record.network, writes=kind is not None and kind.writes)

    def _begin(self) -> None:
        while not self.leaving and len(self._tasks) < self.bounds.workers:
            name = self._queue.take()
            if name is None:
                return
            task = self._tasks[name] = asyncio.create_task(self._run(self._live[name]))
            task.add_done_callback(partial(self._ended, name))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("job %s could not be run: %s: %s", name, type(error).__name__, error)
            if (job := self._live.get(name)) is not None:
                self._queue.ended(name, job.record.network)
                self._leave_behind(job)
        self._begin()

    async def _run(self, job: LiveJob) -> None:
        begun, record = monotonic(), job.record
        at = record.started_at or timestamp()
        await self._note(job, replace(record, status="running", attempts=record.attempts + 1, started_at=at))
        outcome = await self._running.outcome(job, lambda report: self._report(job, report))
        self.load.took(monotonic() - begun)
        self._end(job, outcome)
        await self._ending.room()

    def _end(self, job: LiveJob, outcome: Outcome) -> None:
        """Keep what a job came to; the next one may begin meanwhile."""
        self._queue.ended(job.record.id, job.record.network)
        nbytes = len(outcome.body) if isinstance(outcome, Ended) else 0
        self._ending.add(asyncio.create_task(self._finish(job, outcome)), nbytes)

    async def _finish(self, job: LiveJob, outcome: Outcome) -> None:
        record = replace(job.record, finished_at=timestamp(), **_end(outcome))
        try:
            await self._note(job, record, outcome.body if isinstance(outcome, Ended) else None)
        except Exception:  # noqa: BLE001  a fault: nobody waits for it for good
            _log.exception("the end of job %s could not be kept", record.id)
        self._leave_behind(job)

    def _leave_behind(self, job: LiveJob) -> None:
        self.forget(job)
        job.wake()

    def _report(self, job: LiveJob, report: Mapping[str, Any]) -> None:
        """Tell how far a job has come once that is on disk; nobody waits for it."""
        if job.ending:
            return
        job.record = record = replace(job.record, progress=dict(report))
        event = JobEvent(job.next_number(), "progress", dict(report))
        loop = asyncio.get_running_loop()

        def told(done: Future[None]) -> None:
            if done.exception() is None and not loop.is_closed():
                loop.call_soon_threadsafe(lambda: job.publish(job.record, event))

        self.store.update(record, event).add_done_callback(told)

    async def _note(self, job: LiveJob, record: JobRecord, result: bytes | None = None) -> None:
        """Keep a new state and tell it. What the store cannot keep now, be it for lack of room, it is asked to keep again."""
        while True:
            try:
                await self._told(job, record, result)
            except StorageError as error:
                _log.warning("the state of job %s waits for the store: %s", record.id, error)
                await asyncio.sleep(_AGAIN)
            else:
                return

    async def _told(self, job: LiveJob, record: JobRecord, result: bytes | None = None) -> None:
        event = JobEvent(job.next_number(), "status", described(record))
        job.ending = job.ending or record.finished
        future = self.store.finish(record, event, result) if record.finished else self.store.update(record, event)
        await landed(future, lambda: job.publish(record, event))


def _end(outcome: Outcome) -> dict[str, Any]:
    """The fields of a record that has come to an end."""
    if isinstance(outcome, Ended):
        return {"status": "succeeded", "outcome": {"status": outcome.status, "version": outcome.version}}
    if isinstance(outcome, Failure):
        problem = {"problem": dict(outcome.document), "headers": dict(outcome.headers)}
        return {"status": "failed", "outcome": problem}
    return {"status": "cancelled", "outcome": {}}
