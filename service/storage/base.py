"""What the service asks of a store, and the data that crosses that seam.

A write names the version that it replaces, and is durable when its future resolves. A read never waits for a writer and
sees one whole version. Arrays cross the seam as host (NumPy) arrays. A new store is finished when it passes
`tests/contracts/store.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy.typing as npt

__all__ = [
    "CheckpointRecord",
    "NetworkRecord",
    "NetworkState",
    "Receipt",
    "Store",
    "StoreUsage",
    "VersionRecord",
    "timestamp",
]

HostArray = npt.NDArray[Any]


def timestamp(at: datetime | None = None) -> str:
    """Now or another time, as every record here says it: UTC, ISO 8601 with microseconds and `Z`."""
    return (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class NetworkRecord:
    """What a network is, without its numbers. Times are UTC, ISO 8601 with microseconds and `Z`."""

    id: str
    name: str | None
    spec: Mapping[str, Any]
    """JSON: inputs, layers, cost, initializer, seed, dtype (the body that created it, defaults filled in)."""
    version: int
    created_at: str
    updated_at: str
    owner: str = ""
    """Whose it is: keys of this owner see it. Empty: whoever comes without a key."""


@dataclass(frozen=True)
class NetworkState:
    """The numbers of one version: the flat parameters and what the optimizer remembers.

    Whoever hands it to a store writes to its arrays no more; what a store hands out is read-only.
    """

    parameters: HostArray
    """(P,), in the network's dtype and in flat order: w^2 row by row, b^2, w^3, b^3, ..."""
    optimizer_kind: str | None = None
    optimizer: Mapping[str, HostArray] = field(default_factory=dict)
    """Named arrays: vectors of shape (P,) and scalars of shape ()."""

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return self.parameters.nbytes + sum(array.nbytes for array in self.optimizer.values())


@dataclass(frozen=True)
class VersionRecord:
    """One version of a network and what made it."""

    version: int
    made_by: str
    """`create`, `sgd-step`, `put-parameters`, ..."""
    created_at: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    """JSON: what the write said of itself, such as cost and gradient_norm."""
    retained: bool = True
    """Whether the parameters of this version can still be read."""
    stored_bytes: int = 0
    """Bytes that its numbers take in the store; 0 where they are not retained. The store fills it in."""
    checkpoints: tuple[str, ...] = ()
    """The names that it has, in the order in which it got them. The store fills them in."""


@dataclass(frozen=True)
class CheckpointRecord:
    """A version with a name, whose numbers stay readable for as long as it has one."""

    name: str
    version: int
    created_at: str


@dataclass(frozen=True)
class Receipt:
    """The first answer to a write that carried an idempotency key, kept so that a retry gets it again."""

    scope: str
    """The network's id, or `networks` for the creation of one."""
    key: str
    fingerprint: str
    """Of the whole request: a retry has the same one."""
    status: int
    version: int
    """The version that the write made: its ETag."""
    body: Mapping[str, Any]
    """The answer, as JSON."""


@dataclass(frozen=True)
class StoreUsage:
    """How much a store holds."""

    networks: int
    bytes_used: int
    bytes_free: int


class Store(Protocol):
    """Networks, their versions and their receipts, on something that survives.

    Writes return at once with a future. It resolves when the write is on disk, and otherwise raises: `NotFound` (the
    network went), `StalePrecondition` (the expected version is not the current one), `StorageFull`,
    `StorageUnavailable`. A write with a receipt whose (scope, key) is taken raises `IdempotencyMismatch` and changes
    nothing. Writes to one network are submitted one after the other: while one is under way, the next has no version to
    name. Reads raise `NotFound`, `Gone` and `CorruptState`. Everything may be called from any thread.

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
        self, network: str, expected: int, state: NetworkState, made: VersionRecord, receipt: Receipt | None = None
    ) -> Future[None]:
        """Make `made.version` (expected + 1) the current version of `network`, whose current version is `expected`."""

    def rename_network(self, network: str, name: str | None, at: str, expected: int | None = None) -> Future[None]:
        """Give a network another name; with `expected`, only if that is the current version."""

    def delete_network(self, network: str, expected: int | None = None) -> Future[None]:
        """Forget a network with its versions and the receipts in its scope; with `expected`, only if that is current.

        The receipt of its creation stays: a late retry of it must not make the network again.
        """

    def create_checkpoint(
        self, network: str, checkpoint: CheckpointRecord, expected: int | None = None, receipt: Receipt | None = None
    ) -> Future[None]:
        """Give a version a name; its numbers stay readable beyond retention. With `expected`, only if that is current.

        Raises, besides what every write may raise: `NotFound` and `Gone` (the version), `AlreadyExists` (the name),
        `TooLarge` (the network has as many as it may have).
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

    def state(self, network: str, version: int | None = None) -> NetworkState:
        """The numbers of a version (the current one by default), checked against their digest."""

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
