"""What is in the journal becomes rows: everything of one network together, and old versions go once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import apsw

from service.errors import CorruptState
from service.storage.faults import meaning
from service.storage.journal.commits import Entry
from service.storage.retention import Retention, forget_old, retire
from service.storage.transactions import Change, head, insert_receipt, insert_version

__all__ = ["rows_of"]


def rows_of(entries: Sequence[Entry], retention: Retention) -> Change:
    """All of them, in the order in which each network has them."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        free: list[int] = []
        by_network = attrgetter("network")
        for network, its in groupby(sorted(entries, key=by_network), key=by_network):
            ordinal = _add(connection, network, list(its), retention)
            free += _retire(connection, ordinal, retention)
        return free

    return change


def _retire(connection: apsw.Connection, ordinal: int, retention: Retention) -> Sequence[int]:
    """Old versions go, unless their rows are damaged: then they stay, since what is acknowledged cannot be refused."""
    free: Sequence[int] = ()
    try:
        with connection:
            free = retire(connection, ordinal, retention)
    except apsw.IOError as error:
        if not connection.in_transaction or not isinstance(meaning(error, connection), CorruptState):
            raise
    return free


def _add(connection: apsw.Connection, network: str, entries: Sequence[Entry], retention: Retention) -> int:
    ordinal = head(connection, network, entries[0].expected)
    last = entries[-1].made
    connection.execute(
        "UPDATE heads SET version = ?, updated_at = ? WHERE network = ?", (last.version, last.created_at, ordinal)
    )
    for entry in entries:
        insert_version(connection, ordinal, entry.kept, entry.made)
        insert_receipt(connection, entry.receipt, entry.made.created_at)
        forget_old(connection, ordinal, entry.made.version, entry.receipt, retention)
    return ordinal
