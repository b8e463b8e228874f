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
from service.storage.transactions import Change, head, insert_receipts, insert_versions

__all__ = ["rows_of"]


def rows_of(entries: Sequence[Entry], retention: Retention) -> Change:
    """All of them, in the order in which each network has them."""

    def change(connection: apsw.Connection) -> Sequence[int]:
        by_network = attrgetter("network")
        ordinals: list[int] = []
        made: list[tuple[int, Entry]] = []
        for network, found in groupby(sorted(entries, key=by_network), key=by_network):
            its = list(found)
            ordinals.append(_advance(connection, network, its))
            made += ((ordinals[-1], entry) for entry in its)
        insert_versions(connection, [(ordinal, entry.kept, entry.made) for ordinal, entry in made])
        insert_receipts(connection, [(entry.receipt, entry.made.created_at) for _, entry in made])
        for ordinal, entry in made:
            forget_old(connection, ordinal, entry.made.version, entry.receipt, retention)
        return [slot for ordinal in ordinals for slot in _retire(connection, ordinal, retention)]

    return change


def _advance(connection: apsw.Connection, network: str, entries: Sequence[Entry]) -> int:
    """Make the last of them the current version; the ordinal of the network."""
    ordinal, last = head(connection, network, entries[0].expected), entries[-1].made
    connection.execute(
        "UPDATE heads SET version = ?, updated_at = ? WHERE network = ?", (last.version, last.created_at, ordinal)
    )
    return ordinal


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
