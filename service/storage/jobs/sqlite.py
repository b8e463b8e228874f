"""Jobs in the embedded store: its writer commits them with the writes of networks, its slots hold what is large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import apsw
import xxhash

from service.errors import CorruptState, Gone
from service.storage.encoding import Encoded
from service.storage.jobs import changes, rows
from service.storage.jobs.base import JobEvent, JobRecord, Status
from service.storage.jobs.changes import JobRetention
from service.storage.jobs.rows import REQUEST, RESULT, Part
from service.storage.keeping import Keeper
from service.storage.slots import Slots
from service.storage.transactions import Change, Kept
from service.storage.writer import Write, Writer

__all__ = ["SqliteJobs"]

T = TypeVar("T")


class SqliteJobs:
    """`service.storage.jobs.base.JobStore` beside the networks of a `SqliteStore`, which makes and closes it."""

    def __init__(
        self,
        writer: Writer,
        keeper: Keeper,
        slots: Slots,
        read: Callable[[Callable[[apsw.Connection], Any]], Any],
        retention: JobRetention,
    ) -> None:
        self._writer = writer
        self._keeper = keeper
        self._slots = slots
        self._read = read
        self._retention = retention

    def create(self, job: JobRecord, body: bytes, event: JobEvent) -> Future[None]:
        """Keep a new job and its request."""

        def change(kept: Callable[[], Kept]) -> Change:
            return changes.create(job, kept, event)

        return self._keeper.keep(change, len(body), lambda: _encoded(body), (job.id, REQUEST))

    def update(self, job: JobRecord, event: JobEvent) -> Future[None]:
        """Keep what has become of a job."""
        return self._writer.submit(Write(changes.update(job, event, retention=self._retention)))

    def finish(self, job: JobRecord, event: JobEvent, result: bytes | None) -> Future[None]:
        """Keep the end of a job and its result."""

        def change(kept: Callable[[], Kept] | None) -> Change:
            return changes.finish(job, event, kept, retention=self._retention)

        if result is None:
            return self._writer.submit(Write(change(None)))
        return self._keeper.keep(change, len(result), lambda: _encoded(result), (job.id, RESULT))

    def forget_results(self, before: str) -> Future[None]:
        """Give up old results."""
        return self._writer.submit(Write(changes.forget_results(before)))

    def job(self, job: str) -> JobRecord:
        """One job."""
        return self._asked(lambda connection: rows.job(connection, job))

    def of_key(self, network: str, key: str) -> JobRecord | None:
        """The job of a key."""
        return self._asked(lambda connection: rows.of_key(connection, network, key))

    def jobs(
        self,
        limit: int,
        after: str | None = None,
        *,
        owner: str | None = None,
        network: str | None = None,
        status: Status | None = None,
    ) -> tuple[Sequence[JobRecord], str | None]:
        """A page of jobs, newest first."""
        wanted = {"owner": owner, "network": network, "status": status}
        return self._asked(lambda connection: rows.jobs(connection, limit, after, wanted))

    def unfinished(self) -> Sequence[tuple[JobRecord, int]]:
        """All jobs that have not finished."""
        return self._asked(rows.unfinished)

    def body(self, job: str) -> bytes:
        """The body of a job's request."""
        found = self._part(job, REQUEST)
        if found is None:
            raise Gone(f"the request of job {job} is no longer kept")
        return found

    def result(self, job: str) -> bytes | None:
        """The result of a job."""
        return self._part(job, RESULT)

    def events(self, job: str, after: int = 0) -> Sequence[JobEvent]:
        """What was told of a job."""
        return self._asked(lambda connection: rows.events(connection, job, after))

    def _asked(self, read: Callable[[apsw.Connection], T]) -> T:
        found: T = self._read(read)
        return found

    def _part(self, job: str, which: int) -> bytes | None:
        while True:
            found = self._asked(lambda connection: rows.part(connection, job, which))
            if found is None:
                return None
            content = self._content(found, (job, which))
            if content is not None:
                return content
            # Between the row and the slot the part was given up: the next look finds no row.

    def _content(self, part: Part, owner: tuple[str, int]) -> bytes | None:
        if part.slot is None:
            content = part.content or b""
        else:
            view = self._slots.read(part.slot, owner, part.nbytes)
            if view is None:
                return None
            content = bytes(view)
        if xxhash.xxh3_128(content).digest() != part.digest:
            what = "result" if owner[1] == RESULT else "request"
            raise CorruptState(f"the {what} of job {owner[0]} is not the one that was written: its digest differs")
        return content


def _encoded(content: bytes) -> Encoded:
    return Encoded((content,), len(content), xxhash.xxh3_128(content).digest())
