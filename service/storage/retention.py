"""What is kept of a network's past, and what goes: every rule is a bound, so that disk use is bounded.

Nothing here takes the numbers of the current or the previous version, or of one that has a name. A version that is kept whole goes
together with the steps that start from it; where some of those are still wanted, the others cannot be read any more, but stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw

from service.storage.base import Receipt

__all__ = ["Retention", "forget_old", "forget_receipts", "retire"]

_TURN: Final = 256
"""What is forgotten is forgotten once in so many writes, since looking for it costs more than forgetting it."""
_UNNAMED: Final = "network = ?1 AND version NOT IN (SELECT version FROM checkpoints WHERE network = ?1)"

_FROM_THE_OLDEST: Final = """
    SELECT version, nbytes, content, slot, recorded,
        version IN (SELECT version FROM checkpoints WHERE network = ?1)
    FROM snapshots WHERE network = ?1 ORDER BY version
"""
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
    totals: Any = connection.execute(f"SELECT count(*), sum(nbytes) FROM snapshots WHERE {_UNNAMED}", (ordinal,))  # noqa: S608  a constant
    count, total = totals.fetchone()
    dropped: list[_Version] = []
    # Read no further than it takes; rows are deleted when that is done.
    for group in _groups(connection.execute(_FROM_THE_OLDEST, (ordinal,))):
        if count <= 2 or (count <= retention.versions and total <= retention.nbytes):
            break
        if count - len(group) < (2 if total > retention.nbytes else retention.versions):
            connection.execute(_KEEP_FROM, (ordinal, retention.versions - 1))
            break
        dropped += group
        count, total = count - len(group), total - sum(nbytes for _, nbytes, _, _ in group)
    connection.executemany(
        "DELETE FROM snapshots WHERE network = ? AND version = ?", [(ordinal, version) for version, _, _, _ in dropped]
    )
    contents = [(content,) for _, _, content, _ in dropped if content is not None]
    connection.executemany("DELETE FROM contents WHERE id = ?", contents)
    return [slot for _, _, _, slot in dropped if slot is not None]


_Version = tuple[int, int, int | None, int | None]
"""Number, bytes, the row that has them, their slot."""


def _groups(rows: Iterable[Any]) -> Iterator[list[_Version]]:
    """Versions without a name that go together, from the oldest on: one, and the steps behind it that need it."""
    group: list[_Version] = []
    for version, nbytes, content, slot, recorded, named in rows:
        if group and not recorded:
            yield group
            group = []
        if not named:
            group.append((version, nbytes, content, slot))
    if group:
        yield group


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
