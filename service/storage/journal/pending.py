"""What is in the journal and not in rows yet; readers take from here what is newer than the rows.

Invariant: the writer adds after the sync and clears after the rows are committed, so that a reader who looks here first and
at the rows afterwards misses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from service.storage.base import NetworkRecord, NetworkState, Receipt, StepRecord, Trail, VersionRecord
from service.storage.journal.commits import Entry

__all__ = ["Pending", "listed", "trail_to", "updated"]


class Pending:
    """Changed by the writer alone; read from any thread, without a lock: what is replaced is replaced whole."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """All of it is in rows."""
        self._entries: list[Entry] = []
        self._newest: dict[str, Entry] = {}
        self._receipts: dict[tuple[str, str], Receipt] = {}

    def add(self, entries: Iterable[Entry]) -> None:
        """These are on disk."""
        for entry in entries:
            self._entries.append(entry)
            self._newest[entry.network] = entry
            if entry.receipt is not None:
                self._receipts[entry.receipt.scope, entry.receipt.key] = entry.receipt

    @property
    def entries(self) -> Sequence[Entry]:
        """In order."""
        return self._entries

    def newest(self, network: str) -> Entry | None:
        """The last one of a network."""
        return self._newest.get(network)

    def all_newest(self) -> Mapping[str, Entry]:
        """The last one of each network, as it is now."""
        return dict(self._newest)

    def of(self, network: str) -> Sequence[Entry]:
        """All of a network, newest first."""
        return [entry for entry in reversed(self._entries.copy()) if entry.network == network]

    def receipt(self, scope: str, key: str) -> Receipt | None:
        """The receipt of a key."""
        return self._receipts.get((scope, key))


def updated(record: NetworkRecord, entry: Entry | None) -> NetworkRecord:
    """A record from the rows, with what is newer."""
    if entry is None or entry.made.version <= record.version:
        return record
    return replace(record, version=entry.made.version, updated_at=entry.made.created_at)


def listed(
    page: Sequence[VersionRecord], entries: Sequence[Entry], limit: int, after: int | None
) -> list[VersionRecord]:
    """A page of versions from the rows, newest first, with what is newer before it."""
    known = page[0].version if page else -1
    newer = [
        replace(entry.made, stored_bytes=entry.kept.encoded.nbytes, recorded=entry.kept.encoded.recorded)
        for entry in entries
        if entry.made.version > known and (after is None or entry.made.version < after)
    ]
    return [*newer, *page][:limit]


def trail_to(entries: Sequence[Entry], version: int | None, before: Callable[[int], Trail]) -> Trail | None:
    """The way to a version that is one of these (newest first), or to the newest; None where it is not.

    `before` gives the way to one that is in rows, where the steps start from there.
    """
    steps: list[StepRecord] = []
    for entry in entries:
        if not steps and version not in {None, entry.made.version}:
            continue
        if isinstance(entry.numbers, NetworkState):
            return Trail(entry.made.version, _readable(entry.numbers), steps[::-1])
        if isinstance(entry.numbers, StepRecord):
            steps.append(entry.numbers)
            start = entry.expected
    if not steps:
        return None
    found = before(start)
    return Trail(found.version, found.state, [*found.steps, *steps[::-1]])


def _readable(state: NetworkState) -> NetworkState:
    """The same numbers, which nobody can write to."""
    parameters = state.parameters.view()
    parameters.flags.writeable = False
    optimizer = {name: array.view() for name, array in state.optimizer.items()}
    for array in optimizer.values():
        array.flags.writeable = False
    return replace(state, parameters=parameters, optimizer=optimizer)
