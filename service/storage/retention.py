"""What is kept of a network's past, and what goes: every rule is a bound, so that disk use is bounded.

Nothing here takes the numbers of the current or the previous version, or of one that has a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw

from service.storage.base import Receipt

__all__ = ["Retention", "forget_old", "forget_receipts", "retire"]

_TURN: Final = 256
"""What is forgotten is forgotten once in so many writes, since looking for it costs more than forgetting it."""
_UNNAMED: Final = "network = ?1 AND version NOT IN (SELECT version FROM checkpoints WHERE network = ?1)"


@dataclass(frozen=True)
class Retention:
    """How much is kept."""

    versions: int = 100
    """The newest versions of a network whose numbers can be read, besides those that have a name, ..."""
    nbytes: int = 16 * 2**20
    """... while they fit in so many bytes; two always stay."""
    checkpoints: int = 100
    """The names that a network may have."""
    history: int = 100_000
    """The newest entries of a network's list of versions, besides those whose numbers can be read."""
    receipts: int = 100_000
    """The newest receipts of each scope."""


def retire(connection: apsw.Connection, ordinal: int, retention: Retention) -> Sequence[int]:
    """Drop the numbers of the oldest versions until the rest is within bounds, and give the slots that are free now."""
    slots: list[int] = []
    totals: Any = connection.execute(f"SELECT count(*), sum(nbytes) FROM snapshots WHERE {_UNNAMED}", (ordinal,))  # noqa: S608  a constant
    count, total = totals.fetchone()
    while count > 2 and (count > retention.versions or total > retention.nbytes):
        oldest: Any = connection.execute(
            f"SELECT version, nbytes, content, slot FROM snapshots WHERE {_UNNAMED} ORDER BY version LIMIT 1",  # noqa: S608  a constant
            (ordinal,),
        )
        version, nbytes, content, slot = oldest.fetchone()
        connection.execute("DELETE FROM snapshots WHERE network = ? AND version = ?", (ordinal, version))
        if slot is None:
            connection.execute("DELETE FROM contents WHERE id = ?", (content,))
        else:
            slots.append(slot)
        count, total = count - 1, total - nbytes
    return slots


def forget_old(
    connection: apsw.Connection, ordinal: int | None, number: int, receipt: Receipt | None, retention: Retention
) -> None:
    """Once in a while (`number` counts the writes), drop old entries of a network's history and old receipts."""
    if number % _TURN:
        return
    if ordinal is not None:
        connection.execute(
            "DELETE FROM versions WHERE network = ?1 AND version <= ?2"
            " AND version NOT IN (SELECT version FROM snapshots WHERE network = ?1)",
            (ordinal, number - retention.history),
        )
    if receipt is not None:
        forget_receipts(connection, receipt.scope, retention)


def forget_receipts(connection: apsw.Connection, scope: str, retention: Retention) -> None:
    """Drop the receipts of a scope that are older than the newest ones that are kept."""
    connection.execute(
        "DELETE FROM receipts WHERE scope = ?1 AND created_at <= ("
        "SELECT created_at FROM receipts WHERE scope = ?1 ORDER BY created_at DESC LIMIT 1 OFFSET ?2)",
        (scope, retention.receipts),
    )
