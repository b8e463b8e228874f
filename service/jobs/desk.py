"""Where jobs are handed in, asked for and cancelled; an owner sees its own, and what is said of one is on disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from service.engine.waiting import landed
from service.errors import AlreadyExists, Gone, IdempotencyMismatch, JobRunning, NotFound
from service.jobs.kinds import Failure, Submission, described, new_id
from service.jobs.live import LiveJob
from service.jobs.runner import Runner
from service.jobs.running import guard_document
from service.storage.base import timestamp
from service.storage.jobs.base import JobEvent, JobRecord, Status

__all__ = ["Answer", "Jobs"]

_log = logging.getLogger(__name__)
_SWEEP: Final = 60.0


@dataclass(frozen=True)
class Answer:
    """What a job's request would have been answered without being one."""

    body: bytes
    """The document as safetensors; empty where there is a problem."""
    status: int
    version: int | None
    wanted: str
    """The media type that the request asked for."""
    failure: Failure | None = None


class Jobs:
    """The jobs of one process. It belongs to one event loop."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._store = runner.store
        self._result_seconds = timedelta(seconds=runner.bounds.result_seconds)
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run again what had not finished, and give up old results from now on."""
        await self._runner.start()
        self._sweeper = asyncio.create_task(self._sweep())

    def leave(self) -> None:
        """Begin no more jobs, and end every wait: the process is about to end."""
        self._runner.leave()

    async def stop(self) -> None:
        """Let the jobs that run finish, for a while; the rest is run when the process is back."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._runner.stop()

    async def earlier(self, submission: Submission) -> JobRecord | None:
        """The job that the same request made before, by its idempotency key.

        Raises:
            IdempotencyMismatch: the key has a job of another request.
        """
        guard = submission.guard
        if guard.key is None:
            return None
        found = await asyncio.to_thread(self._store.of_key, submission.network, guard.key)
        if found is None:
            return None
        if found.fingerprint != guard.fingerprint:
            raise IdempotencyMismatch("this idempotency key was used for a different request")
        live = self._runner.find(found.id)
        return found if live is None else live.record

    async def submit(self, submission: Submission) -> JobRecord:
        """Keep a job and queue it; it is on disk when this returns.

        Raises:
            Overloaded: there is no place, with the seconds until there is. StorageFull, StorageUnavailable.
            IdempotencyMismatch: as `earlier`.
        """
        runner, nbytes = self._runner, len(submission.body)
        runner.load.admit(nbytes, runner.waiting(submission.network))
        record = _new(submission)
        job = runner.enter(record, nbytes, body=submission.body)
        event = JobEvent(job.next_number(), "status", described(record))
        try:
            # A client that hangs up meanwhile does not stop it: once it is on disk, it is there to be found.
            await landed(self._store.create(record, submission.body, event), lambda: runner.created(job, event))
        except AlreadyExists:
            found = await self.earlier(submission)
            if found is None:
                raise
            return found
        finally:
            if not job.is_on_disk:
                runner.forget(job)
        return job.record

    async def find(self, job: str, owner: str, wait: float = 0.0) -> JobRecord:
        """A job as it is now, or when it has finished within so many seconds.

        Raises:
            NotFound: there is none, or it is another owner's.
        """
        record, live = await self._look(job, owner)
        if live is None:
            return record
        until = monotonic() + wait
        while self._goes_on(live) and (left := until - monotonic()) > 0:
            await live.change(left)
        return live.record

    async def page(
        self, limit: int, after: str | None, *, owner: str, network: str | None, status: Status | None
    ) -> tuple[Sequence[JobRecord], str | None]:
        """A page of an owner's jobs, newest first, and the cursor of the next one."""

        def read() -> tuple[Sequence[JobRecord], str | None]:
            return self._store.jobs(limit, after, owner=owner, network=network, status=status)

        return await asyncio.to_thread(read)

    async def answer(self, job: str, owner: str) -> Answer:
        """What the job's request came to.

        Raises:
            NotFound. JobRunning: it has not finished. Gone: it was cancelled, or its result is no longer kept.
        """
        record = await self.find(job, owner)
        if not record.finished:
            raise JobRunning(f"The job is {record.status}; it has no result yet.", self.wait(record))
        outcome, wanted = record.outcome or {}, record.request["wanted"]
        if record.status == "cancelled":
            raise Gone("The job was cancelled; it has no result.")
        if record.status == "failed":
            failure = Failure(outcome["problem"], outcome["headers"])
            return Answer(b"", failure.document["status"], None, wanted, failure)
        body = await asyncio.to_thread(self._store.result, job) if self._is_kept(record) else None
        if body is None:
            raise Gone("The job's result is no longer kept.")
        return Answer(body, outcome["status"], outcome["version"], wanted)

    async def cancel(self, job: str, owner: str) -> JobRecord:
        """Stop a job that has not finished, and give it as it is when it has stopped.

        A write that has reached the disk is not undone: the job has succeeded then.
        """
        record, live = await self._look(job, owner)
        if live is None or record.finished:
            return record
        self._runner.cancel(live)
        while self._goes_on(live):
            await live.change(1.0)
        return live.record

    async def follow(self, job: str, owner: str, after: int) -> AsyncIterator[JobEvent | None]:
        """What was and is told of a job after an event, up to its end; None where nothing was told for a while."""
        record, live = await self._look(job, owner)
        if live is None or record.finished:
            for event in await asyncio.to_thread(self._store.events, job, after):
                yield event
            return
        while True:
            while news := live.after(after):  # and again: more may be told while whoever follows takes what it is given
                for event in news:
                    yield event
                    after = event.number
            if not self._goes_on(live):
                return
            if not await live.change(self._runner.bounds.heartbeat_seconds):
                yield None

    def wait(self, record: JobRecord) -> int:
        """Whole seconds until a job will have finished, as far as one can tell."""
        return self._runner.load.wait(1 if record.status == "running" else self._runner.load.count)

    async def _look(self, job: str, owner: str) -> tuple[JobRecord, LiveJob | None]:
        """A job as it is now, and where more is told of it."""
        live = self._runner.find(job)
        if live is not None:
            return _owned(live.record, owner), live
        record = _owned(await asyncio.to_thread(self._store.job, job), owner)
        # One that is found on disk is in a list already, though it be told of here only a moment later.
        return record, None if record.finished else self._runner.entered(job)

    def _goes_on(self, live: LiveJob) -> bool:
        """Whether more will be told of a job in this process."""
        return self._runner.entered(live.record.id) is live and not self._runner.leaving

    def _is_kept(self, record: JobRecord) -> bool:
        finished = datetime.fromisoformat(record.finished_at or record.created_at)
        return datetime.now(UTC) - finished < self._result_seconds

    async def _sweep(self) -> None:
        while True:
            before = datetime.now(UTC) - self._result_seconds
            try:
                await landed(self._store.forget_results(timestamp(before)))
            except Exception as error:  # noqa: BLE001  it is tried again
                _log.warning("old results could not be given up: %s", error)
            await asyncio.sleep(_SWEEP)


def _new(submission: Submission) -> JobRecord:
    guard = submission.guard
    return JobRecord(
        new_id(),
        submission.kind,
        submission.network,
        timestamp(),
        {"media": submission.media, "wanted": submission.wanted, "guard": guard_document(guard)},
        submission.owner,
        guard.key,
        guard.fingerprint,
    )


def _owned(record: JobRecord, owner: str) -> JobRecord:
    if record.owner != owner:
        raise NotFound(f"there is no job {record.id}")
    return record
