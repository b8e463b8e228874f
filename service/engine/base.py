"""What the service asks of an engine, and the data that crosses that seam.

An engine gives out committed versions only, whole and immutable; a write is answered when it is on disk, exactly once
for each idempotency key, and writes to one network happen one after another in order of arrival. Only what computes the next
version may be given one that is still on its way to the disk. An engine is finished when it passes `tests/contracts/engine.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from core.backend import Backend
from core.network import Architecture, Parameters
from core.optimizers import OptimizerState
from service.storage.base import CheckpointRecord, NetworkRecord, StepRecord, StoreUsage, VersionRecord

__all__ = ["Applied", "Change", "Engine", "Guard", "Since", "Snapshot"]

T = TypeVar("T")


@dataclass(frozen=True)
class Since:
    """What there is to compute again for a version: the logged steps since one that is kept whole."""

    steps: int = 0
    nbytes: int = 0
    """Of their records."""
    seconds: float = 0.0
    """That they took."""

    def and_one(self, nbytes: int, seconds: float) -> Since:
        """With one step more."""
        return Since(self.steps + 1, self.nbytes + nbytes, self.seconds + seconds)


@dataclass(frozen=True)
class Snapshot:
    """One version of a network, on the backend's device; nothing in it is ever written to."""

    record: NetworkRecord
    architecture: Architecture
    parameters: Parameters
    optimizer: OptimizerState | None
    since: Since = Since()

    @property
    def version(self) -> int:
        """The version that these numbers are."""
        return self.record.version


@dataclass(frozen=True)
class Change:
    """The next version of a network, computed from a snapshot."""

    parameters: Parameters
    """New, on the backend's device; it may be the snapshot's own where only the optimizer changes, and the reverse."""
    optimizer: OptimizerState | None
    made_by: str
    """`sgd-step`, `put-parameters`, ...: the versions list shows it."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    """JSON for the versions list: `cost`, `gradient_norm`."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """The answer as JSON, without `version`, which the engine puts first. Small: it is kept with the receipt."""
    status: int = 200
    step: StepRecord | None = None
    """The step that this is, for a network whose steps are logged; the engine gives it its digest."""


@dataclass(frozen=True)
class Applied:
    """A write that is on disk."""

    version: int
    """The version that the write made: the answer's ETag."""
    body: Mapping[str, Any]
    """The answer as JSON, `version` included."""
    status: int
    replayed: bool = False
    """Whether this is the first answer again, given to a retry with the same key."""


@dataclass(frozen=True)
class Guard:
    """The conditions that a request puts on its write."""

    if_match: frozenset[int] | Literal["*"] | None = None
    """The versions that `If-Match` names; the empty set matches none; `"*"` any; None: there was no such header."""
    key: str | None = None
    """The idempotency key, which is looked at before `if_match`."""
    fingerprint: str = ""
    """Of the whole request (method, path, body): a retry has the same one. Needed where there is a key."""
    owner: str = ""
    """Whose a network is that is made, and among whose creations the key is looked up."""
    max_networks: int | None = None
    """How many networks that owner may have."""


class Engine(Protocol):
    """Live networks on one backend.

    Everything that names a network raises `NotFound` where there is none, and what reads its numbers may raise
    `CorruptState`, and `ReplayDiffers` where its steps are logged. Writes raise, in this order: `IdempotencyMismatch` (the
    key was used for another request), `StillRunning` (the first request with this key has no answer yet),
    `PreconditionRequired`, `StalePrecondition`, whatever the change itself raises (untouched), then `StorageFull` and
    `StorageUnavailable`. Whatever they raise, nothing was changed.
    """

    @property
    def backend(self) -> Backend:
        """What computes."""

    @property
    def description(self) -> str:
        """Kind and place of the store, for the line that says where the service keeps its state."""

    async def create(
        self, record: NetworkRecord, parameters: Parameters, body: Mapping[str, Any], guard: Guard
    ) -> Applied:
        """Keep a new network whose `version` is 0, and answer `body` with status 201.

        The key's scope is all creations of `guard.owner`; a retry gets the first network's answer, whatever `record`
        is. `if_match` is not looked at: there is no version to match yet. Raises `TooLarge` where the owner has as many
        networks as `guard` allows.
        """

    async def fork(
        self,
        network: str,
        version: int | None,
        describe: Callable[[Snapshot], tuple[NetworkRecord, Mapping[str, Any]]],
        guard: Guard,
    ) -> Applied:
        """A new network that starts as a version of another (by default the current one), its optimizer's memory too.

        `describe` gives the new record, whose `version` is 0, and the answer's body. Key, scope and status as for
        `create`; the key is looked at before the source, which may have gone when a retry comes. Raises what
        `snapshot` and `at_version` raise.
        """

    async def snapshot(self, network: str) -> Snapshot:
        """The current version of a network. Raises `NotFound`, `CorruptState`."""

    async def at_version(self, network: str, version: int) -> Snapshot:
        """A version as it was, on the backend's device.

        Raises `NotFound` (the network or the version never existed), `Gone` (past retention), `CorruptState`.
        """

    async def compute(self, work: Callable[[], T], operations: int, *, network: str = "", nbytes: int = 0) -> T:
        """What `work()` returns or raises; it runs here where `operations` (floating-point) are few, else in a thread.

        The work of each network has its turn after that of the others. `nbytes` is what the work is estimated to take
        of the memory. Raises `Overloaded` when more is running or waiting than the engine takes. A caller that is
        cancelled while its work waits takes the work away with it.
        """

    async def write(
        self, network: str, change: Callable[[Snapshot], Change], guard: Guard, operations: int, *, nbytes: int = 0
    ) -> Applied:
        """Make the next version: `change` of the current one, run as `compute` runs work, then committed and answered.

        `change` writes to nothing that the snapshot holds. It may be given a version that is not on disk yet, and is asked
        again where that one does not come there; what it raises is raised of what is on disk. A caller that is cancelled
        leaves no trace or a whole version. What `if_match` can no longer match is refused before the write has its turn.
        """

    async def look(self, network: str, guard: Guard) -> Applied | None:
        """What a write with these conditions would be told at once: its first answer, if it was applied before.

        None: it may be tried. Waits for no turn and changes nothing. Raises what `write` raises of the key and of
        `if_match` as the current version stands.
        """

    async def restore(self, network: str, checkpoint: str, guard: Guard) -> Applied:
        """Make the next version: the parameters and the optimizer's memory of a checkpoint, as the write finds it.

        The numbers of the current version are not looked at, so that this is the way on where they are lost. Raises, besides
        what `write` raises, `NotFound` where there is no such checkpoint.
        """

    async def create_checkpoint(self, network: str, name: str, version: int | None, guard: Guard) -> Applied:
        """Give a version (by default the current one) a name, and answer it with status 201; no version is made.

        `Applied.version` is the network's current one. Raises, besides what `write` raises: `NotFound`, `Gone` (the
        version), `AlreadyExists`, `TooLarge`.
        """

    async def delete_checkpoint(self, network: str, name: str, guard: Guard) -> None:
        """Take a name away. Looks at `guard.if_match` only. Raises `NotFound` where there is no such checkpoint."""

    async def checkpoint(self, network: str, name: str) -> CheckpointRecord:
        """The checkpoint of a name. Raises `NotFound`."""

    async def checkpoints(self, network: str) -> Sequence[CheckpointRecord]:
        """All checkpoints of a network, in the order in which they were made. Raises `NotFound`."""

    async def stored_bytes(self, network: str) -> int:
        """Bytes that the numbers of all retained versions of a network take in the store. Raises `NotFound`."""

    async def rename(self, network: str, name: str | None, guard: Guard) -> NetworkRecord:
        """Give a network another name; its version stays. Looks at `guard.if_match` only."""

    async def delete(self, network: str, guard: Guard) -> None:
        """Forget a network, its versions and its receipts. Looks at `guard.if_match` only."""

    async def record(self, network: str) -> NetworkRecord:
        """What a network is, with its current version. Raises `NotFound`."""

    async def networks(
        self, limit: int, after: str | None = None, owner: str | None = None
    ) -> tuple[Sequence[NetworkRecord], str | None]:
        """At most `limit` networks in order of creation from the cursor on, and the next cursor if there are more.

        With an owner, only that one's. Raises `InvalidInput` (a pointer of `/after`) for a cursor that no list gave.
        """

    async def versions(self, network: str, limit: int, after: int | None = None) -> Sequence[VersionRecord]:
        """At most `limit` versions of a network, newest first, older than `after`. Raises `NotFound`."""

    async def usage(self) -> StoreUsage:
        """How much the store holds, and how much room is left."""

    async def ready(self) -> None:
        """Return when a write that changes nothing is on disk. Raises `StorageFull`, `StorageUnavailable`."""

    async def close(self) -> None:
        """Finish what is running, then let go of the store."""
