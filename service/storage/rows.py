"""What each read asks of the database, and how rows become records: one statement each, so that it sees one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import orjson

from service.errors import CorruptState, Fault, Gone, InvalidInput, NotFound
from service.storage.base import CheckpointRecord, NetworkRecord, Receipt, VersionRecord
from service.storage.journal.arena import FIRST_CELL

__all__ = [
    "Place",
    "checkpoint",
    "checkpoints",
    "committed_cells",
    "committed_slots",
    "count",
    "network",
    "networks",
    "receipt",
    "stored_bytes",
    "trail",
    "versions",
]

_RECORD = (
    "SELECT id, name, spec, version, created_at, updated_at, owner, ordinal"
    " FROM networks JOIN heads ON network = ordinal"
)


_TRAIL = """
    WITH wanted AS (
        SELECT ordinal, heads.version AS current, coalesce(?1, heads.version) AS version, kept_from
        FROM networks JOIN heads ON heads.network = ordinal WHERE networks.id = ?2
    )
    SELECT current, wanted.version,
        NOT EXISTS (SELECT 1 FROM snapshots AS k WHERE k.network = ordinal AND k.version = wanted.version)
        OR wanted.version < kept_from AND NOT EXISTS (
            SELECT 1 FROM checkpoints AS c WHERE c.network = ordinal AND c.version = wanted.version),
        s.version, nbytes, digest, slot, bytes, recorded
    FROM wanted LEFT JOIN snapshots AS s ON s.network = ordinal AND s.version <= wanted.version AND s.version >= (
        SELECT max(w.version) FROM snapshots AS w
        WHERE w.network = ordinal AND w.version <= wanted.version AND NOT w.recorded)
    LEFT JOIN contents ON contents.id = content
    ORDER BY s.version
"""


@dataclass(frozen=True)
class Place:
    """Where the bytes of a version are: in a slot, or here."""

    version: int
    nbytes: int
    digest: bytes
    slot: int | None
    content: bytes | None
    recorded: bool
    """Whether they are the step that makes it."""


def network(connection: apsw.Connection, identity: str) -> NetworkRecord:
    """The record of a network."""
    row = connection.execute(f"{_RECORD} WHERE id = ?", (identity,)).fetchone()
    if row is None:
        raise _unknown(identity)
    return _record(row)


def networks(
    connection: apsw.Connection, limit: int, after: str | None, owner: str | None
) -> tuple[Sequence[NetworkRecord], str | None]:
    """A page of records in order of creation, all or one owner's, and the cursor of the next one."""
    whose = "" if owner is None else " AND owner = ?3"
    rows = connection.execute(
        f"{_RECORD} WHERE ordinal > ?1{whose} ORDER BY ordinal LIMIT ?2",
        (_ordinal(after), limit + 1, *(() if owner is None else (owner,))),
    ).fetchall()
    page = rows[:limit]
    return [_record(row) for row in page], str(page[-1][-1]) if len(rows) > limit else None


def count(connection: apsw.Connection, owner: str) -> int:
    """How many networks an owner has."""
    return int(connection.execute("SELECT count(*) FROM networks WHERE owner = ?", (owner,)).get)


def trail(connection: apsw.Connection, identity: str, version: int | None) -> Sequence[Place]:
    """Where the newest version is that is kept whole up to a version (the current one by default), and the steps to it."""
    rows: list[Any] = connection.execute(_TRAIL, (version, identity)).fetchall()
    if not rows:
        raise _unknown(identity)
    current, asked, is_gone = rows[0][:3]
    if not 0 <= asked <= current:
        raise NotFound(f"network {identity} has no version {asked}; the current one is {current}")
    if is_gone:
        raise Gone(f"the parameters of version {asked} of network {identity} are no longer kept")
    places = [
        Place(at, nbytes, digest, slot, content, bool(recorded))
        for _, _, _, at, nbytes, digest, slot, content, recorded in rows
    ]
    whole = asked - len(places) + 1
    if [(place.version, place.recorded) for place in places] != [
        (number, number != whole) for number in range(whole, asked + 1)
    ]:
        raise CorruptState(f"what the steps to version {asked} of network {identity} start from is missing")
    return places


def versions(connection: apsw.Connection, identity: str, limit: int, after: int | None) -> Sequence[VersionRecord]:
    """A page of versions, newest first."""
    rows = connection.execute(
        """
        SELECT v.version, made_by, created_at, summary, nbytes, recorded, v.version >= kept_from, (
            SELECT json_group_array(name ORDER BY id) FROM checkpoints AS c
            WHERE c.network = v.network AND c.version = v.version
        )
        FROM versions AS v JOIN heads AS h ON h.network = v.network
        LEFT JOIN snapshots AS s ON s.network = v.network AND s.version = v.version
        WHERE v.network = ? AND (? IS NULL OR v.version < ?) ORDER BY v.version DESC LIMIT ?
        """,
        (_ordinal_of(connection, identity), after, after, limit),
    )
    return [_version(*row) for row in rows]


def checkpoint(connection: apsw.Connection, identity: str, name: str) -> CheckpointRecord:
    """The checkpoint of a name."""
    row = connection.execute(
        "SELECT name, version, created_at FROM checkpoints WHERE network = ? AND name = ?",
        (_ordinal_of(connection, identity), name),
    ).fetchone()
    if row is None:
        raise NotFound(f"network {identity} has no checkpoint {name!r}")
    return CheckpointRecord(*row)


def checkpoints(connection: apsw.Connection, identity: str) -> Sequence[CheckpointRecord]:
    """All checkpoints of a network, in the order of naming."""
    rows = connection.execute(
        "SELECT name, version, created_at FROM checkpoints WHERE network = ? ORDER BY id",
        (_ordinal_of(connection, identity),),
    )
    return [CheckpointRecord(*row) for row in rows]


def stored_bytes(connection: apsw.Connection, identity: str) -> int:
    """Bytes of the numbers of all retained versions of a network."""
    total = connection.execute(
        "SELECT coalesce(sum(nbytes), 0) FROM snapshots WHERE network = ?", (_ordinal_of(connection, identity),)
    ).get
    return int(total)


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
    """Each slot file that a row holds, with the network and the version."""
    rows = connection.execute(
        "SELECT slot, id, version FROM snapshots JOIN networks ON ordinal = network WHERE slot < ?", (FIRST_CELL,)
    )
    return {slot: (identity, version) for slot, identity, version in rows}


def committed_cells(connection: apsw.Connection) -> list[int]:
    """Each cell that a row holds."""
    return [slot for (slot,) in connection.execute("SELECT slot FROM snapshots WHERE slot >= ?", (FIRST_CELL,))]


def _record(row: tuple[Any, ...]) -> NetworkRecord:
    identity, name, spec, version, created_at, updated_at, owner, _ = row
    return NetworkRecord(identity, name, orjson.loads(spec), version, created_at, updated_at, owner)


def _ordinal_of(connection: apsw.Connection, identity: str) -> int:
    ordinal = connection.execute("SELECT ordinal FROM networks WHERE id = ?", (identity,)).get
    if ordinal is None:
        raise _unknown(identity)
    return int(ordinal)


def _version(
    version: int, by: str, at: str, summary: str, nbytes: int | None, recorded: int | None, shown: int, names: str
) -> VersionRecord:
    named = tuple(orjson.loads(names))
    retained = nbytes is not None and bool(shown or named)
    return VersionRecord(version, by, at, orjson.loads(summary), retained, nbytes or 0, named, bool(recorded))


def _ordinal(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise InvalidInput("the cursor was not given by a list", (Fault("/after", "not a cursor that a list gave"),))
    return int(cursor)


def _unknown(identity: str) -> NotFound:
    return NotFound(f"there is no network {identity}")
