"""What each write of jobs does inside the writer's transaction: first all that may refuse it, then the changes.

Every change gives the slots that no row holds any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw
import orjson

from service.errors import AlreadyExists, NotFound
from service.storage.jobs.base import JobEvent, JobRecord
from service.storage.jobs.rows import REQUEST, RESULT
from service.storage.transactions import Change, Kept

__all__ = ["JobRetention", "create", "finish", "forget_results", "update"]

_TURN: Final = 64
"""Old jobs are forgotten once in so many that end, since looking for them costs more than forgetting them."""
_SMALL: Final = 16 * _TURN
"""So are results, but after a large one at once: a share of their bound, of which a turn's worth is a sixteenth."""


@dataclass(frozen=True)
class JobRetention:
    """How much is kept of jobs."""

    jobs: int = 10_000
    """The newest jobs that have finished."""
    result_bytes: int = 2**30
    """Bytes of results, and a sixteenth more for a moment; the oldest go, never the newest."""
    events: int = 1000
    """The newest events of each job."""


def create(job: JobRecord, kept: Callable[[], Kept], event: JobEvent) -> Change:
    """A new job with its request."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        if job.key is not None:
            query = "SELECT id FROM jobs WHERE network = ? AND key = ?"
            if connection.execute(query, (job.network, job.key)).get is not None:
                raise AlreadyExists("this idempotency key has a job")
        connection.execute(
            "INSERT INTO jobs (id, kind, network, owner, created_at, request, key, fingerprint, status, attempts)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                job.id,
                job.kind,
                job.network,
                job.owner,
                job.created_at,
                _json(job.request),
                job.key,
                job.fingerprint,
                job.status,
                job.attempts,
            ),
        )
        ordinal = connection.last_insert_rowid()
        _insert_part(connection, ordinal, REQUEST, kept())
        _insert_event(connection, ordinal, event)
        return ()

    return change


def update(job: JobRecord, event: JobEvent, *, retention: JobRetention) -> Change:
    """The state of a job that goes on, and what is told of it."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        _keep_state(connection, _ordinal(connection, job.id), job, event, retention)
        return ()

    return change


def finish(job: JobRecord, event: JobEvent, result: Callable[[], Kept] | None, *, retention: JobRetention) -> Change:
    """The end of a job: its result in place of its request."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        ordinal = _ordinal(connection, job.id)
        _keep_state(connection, ordinal, job, event, retention)
        slots = _drop_parts(connection, "part = ? AND job = ?", (REQUEST, ordinal))
        is_due = is_turn = not ordinal % _TURN
        if result is not None:
            kept = result()
            _insert_part(connection, ordinal, RESULT, kept)
            is_due |= kept.encoded.nbytes * _SMALL >= retention.result_bytes
        if is_due:
            slots += _bound_results(connection, retention)
        if is_turn:
            slots += _forget_old(connection, retention)
        return slots

    return change


def forget_results(before: str) -> Change:
    """No results of jobs that had finished by then."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        old = "part = ? AND job IN (SELECT job FROM job_parts JOIN jobs ON ordinal = job WHERE finished_at <= ?)"
        return _drop_parts(connection, old, (RESULT, before))

    return change


def _ordinal(connection: apsw.Connection, identity: str) -> int:
    ordinal = connection.execute("SELECT ordinal FROM jobs WHERE id = ?", (identity,)).get
    if ordinal is None:
        raise NotFound(f"there is no job {identity}")
    return int(ordinal)


def _keep_state(
    connection: apsw.Connection, ordinal: int, job: JobRecord, event: JobEvent, retention: JobRetention
) -> None:
    connection.execute(
        "UPDATE jobs SET status = ?, attempts = ?, progress = ?, started_at = ?, finished_at = ?, outcome = ?"
        " WHERE ordinal = ?",
        (
            job.status,
            job.attempts,
            None if job.progress is None else _json(job.progress),
            job.started_at,
            job.finished_at,
            None if job.outcome is None else _json(job.outcome),
            ordinal,
        ),
    )
    _insert_event(connection, ordinal, event)
    connection.execute(
        "DELETE FROM job_events WHERE job = ? AND number <= ?", (ordinal, event.number - retention.events)
    )


def _insert_event(connection: apsw.Connection, ordinal: int, event: JobEvent) -> None:
    connection.execute(
        "INSERT INTO job_events VALUES (?, ?, ?, ?)", (ordinal, event.number, event.name, _json(event.data))
    )


def _insert_part(connection: apsw.Connection, ordinal: int, which: int, kept: Kept) -> None:
    content = kept.encoded.joined() if kept.slot is None else None
    connection.execute(
        "INSERT INTO job_parts VALUES (?, ?, ?, ?, ?, ?)",
        (ordinal, which, kept.encoded.nbytes, kept.encoded.digest, kept.slot, content),
    )


def _drop_parts(connection: apsw.Connection, which: str, values: tuple[int | str, ...]) -> list[int]:
    gone: list[Any] = connection.execute(f"DELETE FROM job_parts WHERE {which} RETURNING slot", values).fetchall()  # noqa: S608  conditions from this file
    return [slot for (slot,) in gone if slot is not None]


def _bound_results(connection: apsw.Connection, retention: JobRetention) -> list[int]:
    """Results from the oldest on until the rest is within bounds; the newest stays whatever its size."""
    query = "SELECT job, nbytes FROM job_parts WHERE part = ? ORDER BY rowid"  # in which they came
    total = connection.execute("SELECT sum(nbytes) FROM job_parts WHERE part = ?", (RESULT,)).get
    excess = int(total or 0) - retention.result_bytes
    if excess <= 0:
        return []
    results: list[Any] = connection.execute(query, (RESULT,)).fetchall()
    slots: list[int] = []
    for ordinal, nbytes in results[:-1]:
        if excess <= 0:
            break
        slots += _drop_parts(connection, "part = ? AND job = ?", (RESULT, ordinal))
        excess -= nbytes
    return slots


def _forget_old(connection: apsw.Connection, retention: JobRetention) -> list[int]:
    """Everything of the jobs that had finished before the newest ones that are kept."""
    bound: Any = connection.execute(
        "SELECT finished_at, ordinal FROM jobs WHERE finished_at IS NOT NULL"
        " ORDER BY finished_at DESC, ordinal DESC LIMIT 1 OFFSET ?",
        (retention.jobs,),
    ).fetchone()
    if bound is None:
        return []
    old = "finished_at IS NOT NULL AND (finished_at, ordinal) <= (?, ?)"
    theirs = f"job IN (SELECT ordinal FROM jobs WHERE {old})"  # noqa: S608  a constant
    slots = _drop_parts(connection, theirs, bound)
    connection.execute(f"DELETE FROM job_events WHERE {theirs}", bound)  # noqa: S608  constants
    connection.execute(f"DELETE FROM jobs WHERE {old}", bound)  # noqa: S608  a constant
    return slots


def _json(document: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(document)).decode()
