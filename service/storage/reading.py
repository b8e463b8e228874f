"""What the embedded store answers without writing: each read has a connection of its own for as long as it takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

import apsw

from service.errors import Gone, StorageUnavailable
from service.storage import rows
from service.storage.base import CheckpointRecord, NetworkRecord, NetworkState, Receipt, Trail, VersionRecord
from service.storage.connections import Readers
from service.storage.faults import meaning
from service.storage.journal.pending import Pending, listed, trail_to, updated
from service.storage.numbers import Numbers
from service.storage.slots import Slots

__all__ = ["Reading"]

T = TypeVar("T")


class Reading(ABC):
    """The half of `SqliteStore` that reads; the other half opens what it reads from."""

    _readers: Readers
    _slots: Slots
    _pending: Pending

    @abstractmethod
    def _settle(self, network: str) -> None:
        """Have what waits for its rows put there, if any of it is this network's and nothing keeps it from happening."""

    def network(self, network: str) -> NetworkRecord:
        """The record of a network."""
        newest = self._pending.newest(network)
        return updated(self._read(lambda connection: rows.network(connection, network)), newest)

    def networks(
        self, limit: int, after: str | None = None, owner: str | None = None
    ) -> tuple[Sequence[NetworkRecord], str | None]:
        """A page of networks in order of creation, all or one owner's, and the next cursor."""
        newest = self._pending.all_newest()
        page, cursor = self._read(lambda connection: rows.networks(connection, limit, after, owner))
        return [updated(record, newest.get(record.id)) for record in page], cursor

    def count(self, owner: str) -> int:
        """How many networks an owner has."""
        return self._read(lambda connection: rows.count(connection, owner))

    def trail(self, network: str, version: int | None = None) -> Trail:
        """The way to the numbers of a version, checked against its digests."""
        in_rows = Numbers(self._read, self._slots.read)
        newest = self._pending.newest(network)
        if newest is None or version not in {None, newest.made.version}:
            self._settle(network)
        try:
            waiting = trail_to(self._pending.of(network), version, lambda start: in_rows.trail(network, start))
        except Gone:
            waiting = None  # it has become rows meanwhile, and what it started from is no longer shown
        return waiting or in_rows.trail(network, version)

    def state(self, network: str, version: int | None = None) -> NetworkState:
        """The numbers of a version that is kept whole, checked against their digest."""
        trail = self.trail(network, version)
        if trail.steps:
            raise ValueError(f"version {version} of network {network} is kept as a step")
        return trail.state

    def versions(self, network: str, limit: int, after: int | None = None) -> Sequence[VersionRecord]:
        """A page of versions, newest first."""
        self._settle(network)
        newer = self._pending.of(network)
        page = self._read(lambda connection: rows.versions(connection, network, limit, after))
        return listed(page, newer, limit, after)

    def checkpoint(self, network: str, name: str) -> CheckpointRecord:
        """The checkpoint of a name."""
        return self._read(lambda connection: rows.checkpoint(connection, network, name))

    def checkpoints(self, network: str) -> Sequence[CheckpointRecord]:
        """All checkpoints of a network."""
        return self._read(lambda connection: rows.checkpoints(connection, network))

    def stored_bytes(self, network: str) -> int:
        """Bytes of all retained versions of a network."""
        self._settle(network)
        newer = sum(entry.kept.encoded.nbytes for entry in self._pending.of(network))
        return newer + self._read(lambda connection: rows.stored_bytes(connection, network))

    def receipt(self, scope: str, key: str) -> Receipt | None:
        """The receipt of a key."""
        waiting = self._pending.receipt(scope, key)
        return waiting or self._read(lambda connection: rows.receipt(connection, scope, key))

    def _read(self, read: Callable[[apsw.Connection], T]) -> T:
        with self._readers() as connection:
            try:
                return read(connection)
            except apsw.Error as error:
                raise _unreadable(error, connection) from error


def _unreadable(error: apsw.Error, connection: apsw.Connection) -> Exception:
    found = meaning(error, connection)
    return found or StorageUnavailable(f"the database cannot be read: {error} (errno {connection.system_errno})")
