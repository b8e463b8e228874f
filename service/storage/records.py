"""The data that crosses the seam to a store: what a network is, its numbers, its versions, and what was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy.typing as npt

__all__ = [
    "CheckpointRecord",
    "HostArray",
    "NetworkRecord",
    "NetworkState",
    "Receipt",
    "StepRecord",
    "StoreUsage",
    "Trail",
    "VersionRecord",
    "timestamp",
]

HostArray = npt.NDArray[Any]


def timestamp(at: datetime | None = None) -> str:
    """Now or another time, as every record here says it: UTC, ISO 8601 with microseconds and `Z`."""
    return (at or datetime.now(UTC)).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


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
class StepRecord:
    """The step that made a version out of the one before: enough to compute it again, and to tell whether that worked.

    Its arrays are treated as those of a `NetworkState`.
    """

    inputs: HostArray
    """(m, n_1), in the network's dtype."""
    targets: HostArray
    """(m, n_L) in the network's dtype, or class labels (m,)."""
    options: Mapping[str, Any]
    """JSON: the optimizer's `kind` and all its options."""
    numerics: Mapping[str, str]
    """What computed it, by name and version: where any of it differs, so may the bits."""
    digest: bytes = b""
    """Of the numbers that it made (`service.storage.digests`)."""

    @property
    def nbytes(self) -> int:
        """Bytes of both arrays together."""
        return self.inputs.nbytes + self.targets.nbytes


@dataclass(frozen=True)
class Trail:
    """The way to a version's numbers: those of the newest version before it that is kept whole, and the steps from there."""

    version: int
    """The one that is kept whole: the wanted one itself, where there are no steps."""
    state: NetworkState
    steps: Sequence[StepRecord] = ()
    """In order: the first makes `version + 1`, the last makes the wanted one."""


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
    """Bytes that it takes in the store; 0 where nothing of it is kept but this entry. The store fills it in."""
    checkpoints: tuple[str, ...] = ()
    """The names that it has, in the order in which it got them. The store fills them in."""
    recorded: bool = False
    """Whether it is kept as the step that made it, and not whole. The store fills it in."""


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
