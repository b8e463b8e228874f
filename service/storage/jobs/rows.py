"""What each read of jobs asks of the database, and how rows become records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import orjson

from service.errors import Fault, InvalidInput, NotFound
from service.storage.jobs.base import JobEvent, JobRecord, Status

__all__ = ["REQUEST", "RESULT", "Part", "committed_slots", "events", "job", "jobs", "of_key", "part", "unfinished"]

REQUEST, RESULT = 0, 1

_RECORD = (
    "SELECT ordinal, id, kind, network, created_at, request, owner, key, fingerprint, status, attempts, progress,"
    " started_at, finished_at, outcome FROM jobs"
)


@dataclass(frozen=True)
class Part:
    """Where a request or a result is: in a slot, or here."""

    nbytes: int
    digest: bytes
    slot: int | None
    content: bytes | None


def job(connection: apsw.Connection, identity: str) -> JobRecord:
    """One job."""
    row = connection.execute(f"{_RECORD} WHERE id = ?", (identity,)).fetchone()
    if row is None:
        raise NotFound(f"there is no job {identity}")
    return _record(row)


def of_key(connection: apsw.Connection, network: str, key: str) -> JobRecord | None:
    """The job that a network has of a key."""
    row = connection.execute(f"{_RECORD} WHERE network = ? AND key = ?", (network, key)).fetchone()
    return None if row is None else _record(row)


def jobs(
    connection: apsw.Connection, limit: int, after: str | None, wanted: dict[str, str | None]
) -> tuple[Sequence[JobRecord], str | None]:
    """A page of jobs, newest first, whose columns have the wanted values, and the cursor of the next page."""
    values = {name: value for name, value in wanted.items() if value is not None}
    conditions = [f"{name} = ?" for name in values]  # names of columns from this package, never a client's
    if after is not None:
        conditions.append("ordinal < ?")
        values["ordinal"] = _ordinal(after)  # type: ignore[assignment]  # SQLite compares it as the number it is
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = connection.execute(
        f"{_RECORD}{where} ORDER BY ordinal DESC LIMIT ?", (*values.values(), limit + 1)
    ).fetchall()
    page = rows[:limit]
    return [_record(row) for row in page], str(page[-1][0]) if len(rows) > limit else None


def unfinished(connection: apsw.Connection) -> Sequence[tuple[JobRecord, int]]:
    """All jobs that are queued or running, oldest first, each with the bytes of its request."""
    rows: Any = connection.execute(f"{_RECORD} WHERE status IN ('queued', 'running') ORDER BY ordinal")
    sizes: Any = connection.execute("SELECT job, nbytes FROM job_parts WHERE part = ?", (REQUEST,))
    records = {row[0]: _record(row) for row in rows}
    nbytes = dict(sizes)
    return [(record, nbytes[ordinal]) for ordinal, record in records.items()]


def events(connection: apsw.Connection, identity: str, after: int) -> Sequence[JobEvent]:
    """The events of a job with a number above `after`."""
    rows = connection.execute(
        "SELECT number, name, data FROM job_events WHERE job = (SELECT ordinal FROM jobs WHERE id = ?) AND number > ?"
        " ORDER BY number",
        (identity, after),
    )
    return [JobEvent(number, name, orjson.loads(data)) for number, name, data in rows]


def part(connection: apsw.Connection, identity: str, which: int) -> Part | None:
    """Where a part of a job is, if there is one."""
    row = connection.execute(
        "SELECT nbytes, digest, slot, bytes FROM job_parts WHERE part = ? AND job = (SELECT ordinal FROM jobs"
        " WHERE id = ?)",
        (which, identity),
    ).fetchone()
    return None if row is None else Part(*row)


def committed_slots(connection: apsw.Connection) -> dict[int, tuple[str, int]]:
    """Each slot that a part of a job holds, with the job and the part."""
    rows = connection.execute("SELECT slot, id, part FROM job_parts JOIN jobs ON ordinal = job WHERE slot IS NOT NULL")
    return {slot: (identity, which) for slot, identity, which in rows}


def _record(row: tuple[Any, ...]) -> JobRecord:
    _, identity, kind, network, created_at, request, owner, key, fingerprint, status, attempts, *rest = row
    progress, started_at, finished_at, outcome = rest
    return JobRecord(
        identity,
        kind,
        network,
        created_at,
        orjson.loads(request),
        owner,
        key,
        fingerprint,
        _status(status),
        attempts,
        _loaded(progress),
        started_at,
        finished_at,
        _loaded(outcome),
    )


def _status(text: str) -> Status:
    return text  # type: ignore[return-value]  # the table holds no other


def _loaded(text: str | None) -> dict[str, Any] | None:
    return None if text is None else orjson.loads(text)


def _ordinal(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise InvalidInput("the cursor was not given by a list", (Fault("/after", "not a cursor that a list gave"),))
    return int(cursor)
