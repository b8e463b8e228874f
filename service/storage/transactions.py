"""What each write does inside the writer's transaction: first all that may refuse it, then the changes.

A refusal (`ServiceError`) therefore leaves the transaction as it was, and the writes of many networks can share one.
Each returns the slots that no row holds any more once the transaction is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import orjson

from service.errors import Gone, IdempotencyMismatch, NotFound, StalePrecondition
from service.storage.base import NetworkRecord, Receipt, VersionRecord
from service.storage.encoding import Encoded
from service.storage.retention import Retention, forget_old, retire

__all__ = [
    "Change",
    "Kept",
    "commit_version",
    "create_network",
    "delete_network",
    "head",
    "insert_receipts",
    "insert_versions",
    "keep_whole",
    "made_whole",
    "nothing",
    "probe",
    "refuse_used_key",
    "rename_network",
    "require_expected",
]

Change = Callable[[apsw.Connection], Sequence[int]]


@dataclass(frozen=True)
class Kept:
    """One version's bytes and the slot that they are in already; without a slot they go into the row."""

    encoded: Encoded
    slot: int | None = None


def create_network(
    record: NetworkRecord,
    kept: Callable[[], Kept],
    made: VersionRecord,
    receipt: Receipt | None,
    *,
    retention: Retention,
) -> Change:
    """A new network with its first version and its receipt."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        refuse_used_key(connection, receipt)
        connection.execute(
            "INSERT INTO networks (id, name, spec, created_at, owner) VALUES (?, ?, ?, ?, ?)",
            (record.id, record.name, _json(record.spec), record.created_at, record.owner),
        )
        ordinal = connection.last_insert_rowid()
        connection.execute(
            "INSERT INTO heads (network, version, updated_at) VALUES (?, ?, ?)",
            (ordinal, record.version, record.updated_at),
        )
        insert_versions(connection, [(ordinal, kept(), made)])
        insert_receipts(connection, [(receipt, made.created_at)])
        forget_old(connection, None, ordinal, receipt, retention)
        return ()

    return change


def commit_version(
    network: str,
    expected: int,
    kept: Callable[[], Kept],
    made: VersionRecord,
    receipt: Receipt | None,
    *,
    retention: Retention,
) -> Change:
    """The next version of a network; the oldest ones beyond retention go."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        ordinal = head(connection, network, expected)
        refuse_used_key(connection, receipt)
        connection.execute(
            "UPDATE heads SET version = ?, updated_at = ? WHERE network = ?", (made.version, made.created_at, ordinal)
        )
        insert_versions(connection, [(ordinal, kept(), made)])
        insert_receipts(connection, [(receipt, made.created_at)])
        forget_old(connection, ordinal, made.version, receipt, retention)
        return retire(connection, ordinal, retention)

    return change


def keep_whole(network: str, version: int, kept: Callable[[], Kept]) -> Change:
    """The numbers of a version in place of the step that makes them."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        return made_whole(connection, network, head(connection, network, None), version, kept)

    return change


def made_whole(
    connection: apsw.Connection, network: str, ordinal: int, version: int, kept: Callable[[], Kept]
) -> Sequence[int]:
    """Put numbers where a step was, and give the slot that is free now: the step's, or that of numbers kept already."""
    row: Any = connection.execute(
        "SELECT recorded, content, slot FROM snapshots WHERE network = ? AND version = ?", (ordinal, version)
    ).fetchone()
    if row is None:
        raise Gone(f"the parameters of version {version} of network {network} are no longer kept")
    recorded, content, slot = row
    numbers = kept()
    if not recorded:
        return () if numbers.slot is None else (numbers.slot,)
    connection.execute(
        "UPDATE snapshots SET nbytes = ?, digest = ?, content = ?, slot = ?, recorded = 0"
        " WHERE network = ? AND version = ?",
        (numbers.encoded.nbytes, numbers.encoded.digest, *_placed(connection, numbers), ordinal, version),
    )
    connection.execute("DELETE FROM contents WHERE id = ?", (content,))
    return () if slot is None else (slot,)


def rename_network(network: str, name: str | None, at: str, expected: int | None) -> Change:
    """Another name; the version stays."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        ordinal = head(connection, network, expected)
        connection.execute("UPDATE networks SET name = ? WHERE ordinal = ?", (name, ordinal))
        connection.execute("UPDATE heads SET updated_at = ? WHERE network = ?", (at, ordinal))
        return ()

    return change


def delete_network(network: str, expected: int | None) -> Change:
    """Everything of a network but the receipt of its creation."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        ordinal = head(connection, network, expected)
        slots = [
            slot
            for (slot,) in connection.execute(
                "SELECT slot FROM snapshots WHERE network = ? AND slot IS NOT NULL", (ordinal,)
            )
        ]
        connection.execute(
            "DELETE FROM contents WHERE id IN (SELECT content FROM snapshots WHERE network = ?)", (ordinal,)
        )
        for table in ("checkpoints", "snapshots", "versions", "heads"):
            connection.execute(f"DELETE FROM {table} WHERE network = ?", (ordinal,))  # noqa: S608  names from above
        connection.execute("DELETE FROM networks WHERE ordinal = ?", (ordinal,))
        connection.execute("DELETE FROM receipts WHERE scope = ?", (network,))
        return slots

    return change


def probe(connection: apsw.Connection) -> Sequence[int]:
    """A change to nothing that anybody reads, so that a commit has something to put on disk."""
    connection.execute("UPDATE probes SET count = count + 1")
    return ()


def nothing(_connection: apsw.Connection) -> Sequence[int]:
    """No change: it comes when what was submitted before it is in rows."""
    return ()


def head(connection: apsw.Connection, network: str, expected: int | None) -> int:
    """The ordinal of a network. Raises `NotFound`, and `StalePrecondition` unless `expected` is its current version."""
    row = connection.execute(
        "SELECT ordinal, version FROM networks JOIN heads ON network = ordinal WHERE id = ?", (network,)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no network {network}")
    ordinal, version = row
    require_expected(network, version, expected)
    return int(ordinal)


def require_expected(network: str, version: int, expected: int | None) -> None:
    """Raise `StalePrecondition` unless `expected`, if it is said, is the current version."""
    if expected not in {None, version}:
        raise StalePrecondition(f"the current version of network {network} is {version}, not {expected}", version)


def refuse_used_key(connection: apsw.Connection, receipt: Receipt | None) -> None:
    """Raise `IdempotencyMismatch` if the receipt's key has been used in its scope."""
    if receipt is None:
        return
    used = connection.execute("SELECT 1 FROM receipts WHERE scope = ? AND key = ?", (receipt.scope, receipt.key)).get
    if used is not None:
        raise IdempotencyMismatch("this idempotency key has been used")


def insert_versions(connection: apsw.Connection, made: Sequence[tuple[int, Kept, VersionRecord]]) -> None:
    """Entries of the lists of versions (by their networks' ordinals), and what their numbers are or where."""
    connection.executemany(
        "INSERT INTO versions VALUES (?, ?, ?, ?, ?)",
        [(of, entry.version, entry.made_by, entry.created_at, _json(entry.summary)) for of, _, entry in made],
    )
    connection.executemany(
        "INSERT INTO snapshots (network, version, nbytes, digest, content, slot, recorded)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                of,
                entry.version,
                kept.encoded.nbytes,
                kept.encoded.digest,
                *_placed(connection, kept),
                kept.encoded.recorded,
            )
            for of, kept, entry in made
        ],
    )


def _placed(connection: apsw.Connection, kept: Kept) -> tuple[int | None, int | None]:
    """The row of `contents` that the bytes have got, or their slot."""
    if kept.slot is not None:
        return None, kept.slot
    connection.execute("INSERT INTO contents (bytes) VALUES (?)", (kept.encoded.joined(),))
    return connection.last_insert_rowid(), None


def insert_receipts(connection: apsw.Connection, kept: Sequence[tuple[Receipt | None, str]]) -> None:
    """Keep receipts, each from its time on, with the writes of this transaction."""
    connection.executemany(
        "INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (each.scope, each.key, each.fingerprint, each.status, each.version, _json(each.body), at)
            for each, at in kept
            if each is not None
        ],
    )


def _json(document: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(document)).decode()
