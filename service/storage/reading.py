"""What the embedded store answers without writing: each read has a connection of its own for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import apsw

from service.errors import StorageUnavailable
from service.storage import rows
from service.storage.base import CheckpointRecord, NetworkRecord, NetworkState, Receipt, Trail, VersionRecord
from service.storage.connections import Readers
from service.storage.faults import meaning
from service.storage.numbers import Numbers
from service.storage.slots import Slots

__all__ = ["Reading"]

T = TypeVar("T")


class Reading:
    """The half of `SqliteStore` that reads; the other half opens what it reads from."""

    _readers: Readers
    _slots: Slots

    def network(self, network: str) -> NetworkRecord:
        """The record of a network."""
        return self._read(lambda connection: rows.network(connection, network))

    def networks(
        self, limit: int, after: str | None = None, owner: str | None = None
    ) -> tuple[Sequence[NetworkRecord], str | None]:
        """A page of networks in order of creation, all or one owner's, and the next cursor."""
        return self._read(lambda connection: rows.networks(connection, limit, after, owner))

    def count(self, owner: str) -> int:
        """How many networks an owner has."""
        return self._read(lambda connection: rows.count(connection, owner))

    def trail(self, network: str, version: int | None = None) -> Trail:
        """The way to the numbers of a version, checked against its digests."""
        return Numbers(self._read, self._slots.read).trail(network, version)

    def state(self, network: str, version: int | None = None) -> NetworkState:
        """The numbers of a version that is kept whole, checked against their digest."""
        return Numbers(self._read, self._slots.read).state(network, version)

    def versions(self, network: str, limit: int, after: int | None = None) -> Sequence[VersionRecord]:
        """A page of versions, newest first."""
        return self._read(lambda connection: rows.versions(connection, network, limit, after))

    def checkpoint(self, network: str, name: str) -> CheckpointRecord:
        """The checkpoint of a name."""
        return self._read(lambda connection: rows.checkpoint(connection, network, name))

    def checkpoints(self, network: str) -> Sequence[CheckpointRecord]:
        """All checkpoints of a network."""
        return self._read(lambda connection: rows.checkpoints(connection, network))

    def stored_bytes(self, network: str) -> int:
        """Bytes of all retained versions of a network."""
        return self._read(lambda connection: rows.stored_bytes(connection, network))

    def receipt(self, scope: str, key: str) -> Receipt | None:
        """The receipt of a key."""
        return self._read(lambda connection: rows.receipt(connection, scope, key))

    def _read(self, read: Callable[[apsw.Connection], T]) -> T:
        with self._readers() as connection:
            try:
                return read(connection)
            except apsw.Error as error:
                raise _unreadable(error, connection) from error


def _unreadable(error: apsw.Error, connection: apsw.Connection) -> Exception:
    found = meaning(error, connection)
    return found or StorageUnavailable(f"the database cannot be read: {error} (errno {connection.system_errno})")
