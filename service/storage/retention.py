"""What is kept of a network's past, and what goes: every rule is a bound, so that disk use is bounded.

Nothing here takes the numbers of the current or the previous version, or of one that has a name. A version that is kept whole goes
together with the steps that start from it; where some of those are still wanted, the others cannot be read any more, but stay.
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

_OLDEST: Final = f"""
    SELECT version, nbytes, content, slot FROM snapshots,
        (SELECT min(version) AS first FROM snapshots WHERE {_UNNAMED})
    WHERE network = ?1 AND version >= first AND version < coalesce(
        (SELECT min(version) FROM snapshots WHERE network = ?1 AND version > first AND NOT recorded), version + 1)
"""  # noqa: S608  a constant
"""The oldest version without a name, and the steps behind it that need it."""
_KEEP_FROM: Final = f"""
    UPDATE heads SET kept_from = max(kept_from, coalesce(
        (SELECT version FROM snapshots WHERE {_UNNAMED} ORDER BY version DESC LIMIT 1 OFFSET ?2), 0))
    WHERE network = ?1
"""  # noqa: S608  a constant
"""With the numbers that are wanted, what those need stays; what is older than the wanted ones is not shown."""


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
        oldest: Any = connection.execute(_OLDEST, (ordinal,)).fetchall()
        count -= len(oldest)
        if count < (2 if total > retention.nbytes else retention.versions):
            break
        for version, nbytes, content, slot in oldest:
            connection.execute("DELETE FROM snapshots WHERE network = ? AND version = ?", (ordinal, version))
            connection.execute("DELETE FROM contents WHERE id = ?", (content,))
            slots += [] if slot is None else [slot]
            total -= nbytes
    else:
        return slots
    connection.execute(_KEEP_FROM, (ordinal, retention.versions - 1))
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
