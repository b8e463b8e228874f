"""What each read asks of the database, and how rows become records: one statement each, so that it sees one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import orjson

from service.errors import Fault, Gone, InvalidInput, NotFound
from service.storage.base import NetworkRecord, Receipt, VersionRecord

__all__ = ["Place", "committed_slots", "network", "networks", "place", "receipt", "versions"]

_RECORD = (
    "SELECT id, name, spec, version, created_at, updated_at, ordinal FROM networks JOIN heads ON network = ordinal"
)


@dataclass(frozen=True)
class Place:
    """Where the numbers of a version are: in a slot, or here as bytes."""

    version: int
    nbytes: int
    digest: bytes
    slot: int | None
    content: bytes | None


def network(connection: apsw.Connection, identity: str) -> NetworkRecord:
    """The record of a network."""
    row = connection.execute(f"{_RECORD} WHERE id = ?", (identity,)).fetchone()
    if row is None:
        raise _unknown(identity)
    return _record(row)


def networks(connection: apsw.Connection, limit: int, after: str | None) -> tuple[Sequence[NetworkRecord], str | None]:
    """A page of records in order of creation, and the cursor of the next one."""
    rows = connection.execute(
        f"{_RECORD} WHERE ordinal > ? ORDER BY ordinal LIMIT ?", (_ordinal(after), limit + 1)
    ).fetchall()
    page = rows[:limit]
    return [_record(row) for row in page], str(page[-1][6]) if len(rows) > limit else None


def place(connection: apsw.Connection, identity: str, version: int | None) -> Place:
    """Where the numbers of a version are, the current one's by default."""
    row = connection.execute(
        """
        SELECT heads.version, asked.version, snapshots.nbytes, digest, slot, bytes
        FROM networks JOIN heads ON heads.network = ordinal
        LEFT JOIN versions AS asked ON asked.network = ordinal AND asked.version = coalesce(?, heads.version)
        LEFT JOIN snapshots ON snapshots.network = ordinal AND snapshots.version = asked.version
        LEFT JOIN contents ON contents.id = content
        WHERE networks.id = ?
        """,
        (version, identity),
    ).fetchone()
    if row is None:
        raise _unknown(identity)
    current, found, nbytes, digest, slot, content = row
    if found is None:
        raise NotFound(f"network {identity} has no version {version}; the current one is {current}")
    if nbytes is None:
        raise Gone(f"the parameters of version {found} of network {identity} are no longer kept")
    return Place(found, nbytes, digest, slot, content)


def versions(connection: apsw.Connection, identity: str, limit: int, after: int | None) -> Sequence[VersionRecord]:
    """A page of versions, newest first."""
    ordinal = connection.execute("SELECT ordinal FROM networks WHERE id = ?", (identity,)).get
    if ordinal is None:
        raise _unknown(identity)
    rows = connection.execute(
        """
        SELECT v.version, made_by, created_at, summary, s.version IS NOT NULL
        FROM versions AS v LEFT JOIN snapshots AS s ON s.network = v.network AND s.version = v.version
        WHERE v.network = ? AND (? IS NULL OR v.version < ?) ORDER BY v.version DESC LIMIT ?
        """,
        (ordinal, after, after, limit),
    )
    return [
        VersionRecord(version, made_by, created_at, orjson.loads(summary), bool(retained))
        for version, made_by, created_at, summary, retained in rows
    ]


def receipt(connection: apsw.Connection, scope: str, key: str) -> Receipt | None:
    """The receipt of a key."""
    row = connection.execute(
        "SELECT fingerprint, status, version, body FROM receipts WHERE scope = ? AND key = ?", (scope, key)
    ).fetchone()
    if row is None:
        return None
    fingerprint, status, version, body = row
    return Receipt(scope, key, fingerprint, status, version, orjson.loads(body))


def committed_slots(connection: apsw.Connection) -> dict[int, tuple[str, int]]:
    """Each slot that a row holds, with the network and the version."""
    rows = connection.execute(
        "SELECT slot, id, version FROM snapshots JOIN networks ON ordinal = network WHERE slot IS NOT NULL"
    )
    return {slot: (identity, version) for slot, identity, version in rows}


def _record(row: tuple[Any, ...]) -> NetworkRecord:
    identity, name, spec, version, created_at, updated_at, _ = row
    return NetworkRecord(identity, name, orjson.loads(spec), version, created_at, updated_at)


def _ordinal(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise InvalidInput("the cursor was not given by a list", (Fault("/after", "not a cursor that a list gave"),))
    return int(cursor)


def _unknown(identity: str) -> NotFound:
    return NotFound(f"there is no network {identity}")
