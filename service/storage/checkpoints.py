"""Names for versions, as changes inside the writer's transaction; a named version's numbers are never retired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw

from service.errors import AlreadyExists, Gone, NotFound, TooLarge
from service.storage.base import CheckpointRecord, Receipt
from service.storage.retention import Retention, forget_receipts, retire
from service.storage.transactions import Change, Kept, head, insert_receipts, made_whole, refuse_used_key

__all__ = ["create_checkpoint", "delete_checkpoint"]


def create_checkpoint(
    network: str,
    checkpoint: CheckpointRecord,
    expected: int | None,
    receipt: Receipt | None,
    kept: Callable[[], Kept] | None = None,
    *,
    retention: Retention,
) -> Change:
    """Another name for a version that can be read, which is kept whole from now on: a name outlives what steps need."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        ordinal = head(connection, network, expected)
        refuse_used_key(connection, receipt)
        _refuse_lost_version(connection, network, ordinal, checkpoint.version)
        _refuse_name(connection, network, ordinal, checkpoint.name, retention)
        if kept is not None:
            free = made_whole(connection, network, ordinal, checkpoint.version, kept)
        else:
            free = ()
            _require_whole(connection, ordinal, checkpoint.version)
        connection.execute(
            "INSERT INTO checkpoints (network, name, version, created_at) VALUES (?, ?, ?, ?)",
            (ordinal, checkpoint.name, checkpoint.version, checkpoint.created_at),
        )
        if receipt is not None:
            insert_receipts(connection, [(receipt, checkpoint.created_at)])
            forget_receipts(connection, receipt.scope, retention)
        return free

    return change


def delete_checkpoint(network: str, name: str, expected: int | None, *, retention: Retention) -> Change:
    """One name less; the numbers that nothing else keeps go."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        ordinal = head(connection, network, expected)
        connection.execute("DELETE FROM checkpoints WHERE network = ? AND name = ?", (ordinal, name))
        if not connection.changes():
            raise NotFound(f"network {network} has no checkpoint {name!r}")
        return retire(connection, ordinal, retention)

    return change


def _refuse_lost_version(connection: apsw.Connection, network: str, ordinal: int, version: int) -> None:
    row: Any = connection.execute("SELECT version, kept_from FROM heads WHERE network = ?", (ordinal,)).fetchone()
    current, kept_from = row
    if not 0 <= version <= current:
        raise NotFound(f"network {network} has no version {version}; the current one is {current}")
    kept = connection.execute("SELECT 1 FROM snapshots WHERE network = ? AND version = ?", (ordinal, version)).get
    named = connection.execute("SELECT 1 FROM checkpoints WHERE network = ? AND version = ?", (ordinal, version)).get
    if kept is None or (version < kept_from and named is None):
        raise Gone(f"the parameters of version {version} of network {network} are no longer kept")


def _require_whole(connection: apsw.Connection, ordinal: int, version: int) -> None:
    """What has a name starts steps and needs none; whoever names a step must bring its numbers."""
    if connection.execute("SELECT recorded FROM snapshots WHERE network = ? AND version = ?", (ordinal, version)).get:
        raise ValueError(f"version {version} is kept as a step: its numbers are needed for a name")


def _refuse_name(connection: apsw.Connection, network: str, ordinal: int, name: str, retention: Retention) -> None:
    named = connection.execute("SELECT version FROM checkpoints WHERE network = ? AND name = ?", (ordinal, name)).get
    if named is not None:
        raise AlreadyExists(f"network {network} has a checkpoint {name!r} already: version {named}")
    count = int(connection.execute("SELECT count(*) FROM checkpoints WHERE network = ?", (ordinal,)).get)
    if count >= retention.checkpoints:
        raise TooLarge(
            f"network {network} has {count} checkpoints; the limit is {retention.checkpoints}",
            {"asked": count + 1, "limit": retention.checkpoints},
        )
