"""What jobs ask of a store, and the data that crosses that seam.

A write is durable when its future resolves. A job and its request are kept in one write, and its end and its result in
another, so that no crash leaves one without the other. A store of jobs is finished when it passes
`tests/contracts/job_store.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

__all__ = ["FINISHED", "JobEvent", "JobRecord", "JobStore", "Status"]

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]

FINISHED: Final[frozenset[Status]] = frozenset({"succeeded", "failed", "cancelled"})
"""The states that a job does not leave."""


@dataclass(frozen=True)
class JobRecord:
    """What a job is and how far it has come. Times are UTC, ISO 8601 with microseconds and `Z`."""

    id: str
    kind: str
    """`feedforward`, `sgd-step`, ...: the last part of the path that it was asked for at."""
    network: str
    created_at: str
    request: Mapping[str, Any]
    """JSON: the conditions and media types of the request, as whoever runs the job reads them."""
    owner: str = ""
    """Whose it is. Empty: whoever comes without a key."""
    key: str | None = None
    """The idempotency key that it was created with, if any; a network has one job of a key."""
    fingerprint: str = ""
    """Of the whole request: a retry has the same one."""
    status: Status = "queued"
    attempts: int = 0
    """How often it was begun and neither ended nor was put back in an orderly way."""
    progress: Mapping[str, Any] | None = None
    """JSON: its last report."""
    started_at: str | None = None
    finished_at: str | None = None
    outcome: Mapping[str, Any] | None = None
    """JSON: status and version of the answer, or the problem that it failed with; None until it has finished."""

    @property
    def finished(self) -> bool:
        """Whether it is in a state that it does not leave."""
        return self.status in FINISHED


@dataclass(frozen=True)
class JobEvent:
    """Something that was told of a job; numbers count from 1 in each job and grow."""

    number: int
    name: str
    """`status` or `progress`."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """JSON."""


class JobStore(Protocol):
    """Jobs, their requests, their events and their results.

    Writes return at once with a future, which raises `NotFound` (no such job), `StorageFull` or `StorageUnavailable`.
    Reads raise `NotFound` and `CorruptState`. Everything may be called from any thread. What is kept is bounded: the
    newest events of each job, the newest results in bytes, and the newest jobs that have finished.
    """

    def create(self, job: JobRecord, body: bytes, event: JobEvent) -> Future[None]:
        """Keep a new job and the body of its request. Raises `AlreadyExists` where its network has one of its key."""

    def update(self, job: JobRecord, event: JobEvent) -> Future[None]:
        """Keep what has become of a job that has not finished."""

    def finish(self, job: JobRecord, event: JobEvent, result: bytes | None) -> Future[None]:
        """Keep the end of a job and its result, and give up its request."""

    def forget_results(self, before: str) -> Future[None]:
        """Give up the results of jobs that had finished by then."""

    def job(self, job: str) -> JobRecord:
        """One job."""

    def of_key(self, network: str, key: str) -> JobRecord | None:
        """The job of a network that was created with a key, if there is one."""

    def jobs(
        self,
        limit: int,
        after: str | None = None,
        *,
        owner: str | None = None,
        network: str | None = None,
        status: Status | None = None,
    ) -> tuple[Sequence[JobRecord], str | None]:
        """At most `limit` jobs, newest first, older than the cursor, and the next cursor if there are more.

        Raises `InvalidInput` for a cursor that no list gave.
        """

    def unfinished(self) -> Sequence[tuple[JobRecord, int]]:
        """All jobs that have not finished, oldest first, each with the bytes of its request."""

    def body(self, job: str) -> bytes:
        """The body of a job's request; there while it has not finished."""

    def result(self, job: str) -> bytes | None:
        """The result of a job; None where there is none, or none any more."""

    def events(self, job: str, after: int = 0) -> Sequence[JobEvent]:
        """What was told of a job after an event."""
