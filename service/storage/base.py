"""What the service asks of a store; the data that crosses that seam is in `service.storage.records`.

A write names the version that it replaces, and is durable when its future resolves. A read sees one whole version; one of
what is current never waits for a writer. Arrays cross the seam as host (NumPy) arrays. A new store is finished when it passes
`tests/contracts/store.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from service.storage.records import (
    CheckpointRecord,
    HostArray,
    NetworkRecord,
    NetworkState,
    Receipt,
    StepRecord,
    StoreUsage,
    Trail,
    VersionRecord,
    timestamp,
)

__all__ = [
    "CheckpointRecord",
    "HostArray",
    "NetworkRecord",
    "NetworkState",
    "Receipt",
    "StepRecord",
    "Store",
    "StoreUsage",
    "Trail",
    "VersionRecord",
    "timestamp",
]


class Store(Protocol):
    """Networks, their versions and their receipts, on something that survives.

    Writes return at once with a future. It resolves when the write is on disk, and otherwise raises: `NotFound` (the
    network went), `StalePrecondition` (the expected version is not the current one), `StorageFull`,
    `StorageUnavailable`. A write with a receipt whose (scope, key) is taken raises `IdempotencyMismatch` and changes
    nothing. Versions of one network come to the disk in the order in which they were handed over: one may be handed over
    while the one that it names is still on its way, and raises `StalePrecondition` once that one has failed. Reads raise
    `NotFound`, `Gone` and `CorruptState`. Everything may be called from any thread.

    What a store keeps is bounded: of each network the numbers of the newest versions and of every checkpoint, the
    newest entries of the versions list, and the newest receipts of each scope.
    """

    @property
    def description(self) -> str:
        """Kind and place, for the line that says where the service keeps its state."""

    def create_network(
        self, record: NetworkRecord, state: NetworkState, made: VersionRecord, receipt: Receipt | None = None
    ) -> Future[None]:
        """Keep a new network, its first version and its receipt."""

    def commit_version(
        self,
        network: str,
        expected: int,
        numbers: NetworkState | StepRecord,
        made: VersionRecord,
        receipt: Receipt | None = None,
    ) -> Future[None]:
        """Make `made.version` (expected + 1) the current version of `network`, whose current version is `expected`.

        Its numbers are kept whole, or as the step that makes them out of those of `expected`.
        """

    def keep_whole(self, network: str, version: int, state: NetworkState) -> Future[None]:
        """Keep the numbers of a version in place of the step that makes them; nothing that can be seen changes.

        Nothing happens where they are kept whole already. Raises, besides what every write may raise, `Gone`.
        """

    def rename_network(self, network: str, name: str | None, at: str, expected: int | None = None) -> Future[None]:
        """Give a network another name; with `expected`, only if that is the current version."""

    def delete_network(self, network: str, expected: int | None = None) -> Future[None]:
        """Forget a network with its versions and the receipts in its scope; with `expected`, only if that is current.

        The receipt of its creation stays: a late retry of it must not make the network again.
        """

    def create_checkpoint(
        self,
        network: str,
        checkpoint: CheckpointRecord,
        expected: int | None = None,
        receipt: Receipt | None = None,
        state: NetworkState | None = None,
    ) -> Future[None]:
        """Give a version a name; its numbers stay readable beyond retention. With `expected`, only if that is current.

        A version that is kept as a step needs its numbers (`state`), which are then kept whole. Raises, besides what
        every write may raise: `NotFound` and `Gone` (the version), `AlreadyExists` (the name), `TooLarge` (the network
        has as many as it may have).
        """

    def delete_checkpoint(self, network: str, name: str, expected: int | None = None) -> Future[None]:
        """Take the name away; the numbers go where retention would not keep them. `NotFound` where there is none."""

    def network(self, network: str) -> NetworkRecord:
        """The record of a network with its current version."""

    def networks(
        self, limit: int, after: str | None = None, owner: str | None = None
    ) -> tuple[Sequence[NetworkRecord], str | None]:
        """At most `limit` networks in order of creation, from `after` on, and the next cursor if there are more.

        With an owner, only those of that one. A cursor that no list gave raises `InvalidInput`.
        """

    def count(self, owner: str) -> int:
        """How many networks an owner has."""

    def trail(self, network: str, version: int | None = None) -> Trail:
        """The way to the numbers of a version (the current one by default), all of it checked against its digests."""

    def state(self, network: str, version: int | None = None) -> NetworkState:
        """The numbers of a version that is kept whole; `ValueError` where it is not."""

    def versions(self, network: str, limit: int, after: int | None = None) -> Sequence[VersionRecord]:
        """At most `limit` versions, newest first, older than `after`."""

    def checkpoint(self, network: str, name: str) -> CheckpointRecord:
        """The checkpoint of a name."""

    def checkpoints(self, network: str) -> Sequence[CheckpointRecord]:
        """All checkpoints of a network, in the order in which they were made."""

    def stored_bytes(self, network: str) -> int:
        """Bytes that the numbers of all retained versions of a network take in the store."""

    def receipt(self, scope: str, key: str) -> Receipt | None:
        """The receipt kept for a key, if there is one."""

    def usage(self) -> StoreUsage:
        """How much is held, and how much room is left."""

    def probe(self) -> Future[None]:
        """A write that changes nothing and resolves when it is on disk: the store can write."""

    def close(self) -> None:
        """Finish the queued writes and let go of the files."""
