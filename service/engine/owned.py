"""An engine as one owner sees it: the networks of others are not there.

Whatever a request does goes through one of these, so that no router and no operation has to think of owners.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.backend import Backend
from core.network import Parameters
from service.engine.base import Applied, Change, Engine, Guard, Snapshot
from service.errors import NotFound
from service.storage.base import CheckpointRecord, NetworkRecord, StoreUsage, VersionRecord

__all__ = ["OwnedEngine"]


class OwnedEngine:
    """`service.engine.base.Engine` over another, for the networks of one owner.

    Args:
        engine: with the networks of everybody.
        owner: whose to show; networks that are made belong to this one, and keys of creations are looked up among
            this one's.
        max_networks: how many the owner may have.
    """

    def __init__(self, engine: Engine, owner: str, max_networks: int | None = None) -> None:
        self._engine = engine
        self._owner = owner
        self._max_networks = max_networks
        self.compute = engine.compute  # computations are nobody's

    @property
    def backend(self) -> Backend:
        """What computes."""
        return self._engine.backend

    @property
    def description(self) -> str:
        """Kind and place of the store."""
        return self._engine.description

    async def create(
        self, record: NetworkRecord, parameters: Parameters, body: Mapping[str, Any], guard: Guard
    ) -> Applied:
        """Keep a new network of the owner's."""
        return await self._engine.create(replace(record, owner=self._owner), parameters, body, self._guarded(guard))

    async def fork(
        self,
        network: str,
        version: int | None,
        describe: Callable[[Snapshot], tuple[NetworkRecord, Mapping[str, Any]]],
        guard: Guard,
    ) -> Applied:
        """Keep a new network of the owner's that starts as a version of another one of the owner's."""

        def owned(source: Snapshot) -> tuple[NetworkRecord, Mapping[str, Any]]:
            record, body = describe(self._own(network, source))
            return replace(record, owner=self._owner), body

        return await self._engine.fork(network, version, owned, self._guarded(guard))

    async def snapshot(self, network: str) -> Snapshot:
        """The current version of a network."""
        return self._own(network, await self._engine.snapshot(network))

    async def at_version(self, network: str, version: int) -> Snapshot:
        """A version as it was."""
        await self.record(network)
        return await self._engine.at_version(network, version)

    async def write(
        self, network: str, change: Callable[[Snapshot], Change], guard: Guard, operations: int, *, nbytes: int = 0
    ) -> Applied:
        """Make the next version."""
        await self.record(network)
        return await self._engine.write(network, change, guard, operations, nbytes=nbytes)

    async def look(self, network: str, guard: Guard) -> Applied | None:
        """What a write would be told at once."""
        await self.record(network)
        return await self._engine.look(network, guard)

    async def restore(self, network: str, checkpoint: str, guard: Guard) -> Applied:
        """Make the next version from a checkpoint."""
        await self.record(network)
        return await self._engine.restore(network, checkpoint, guard)

    async def create_checkpoint(self, network: str, name: str, version: int | None, guard: Guard) -> Applied:
        """Give a version a name."""
        await self.record(network)
        return await self._engine.create_checkpoint(network, name, version, guard)

    async def delete_checkpoint(self, network: str, name: str, guard: Guard) -> None:
        """Take a name away."""
        await self.record(network)
        await self._engine.delete_checkpoint(network, name, guard)

    async def checkpoint(self, network: str, name: str) -> CheckpointRecord:
        """The checkpoint of a name."""
        await self.record(network)
        return await self._engine.checkpoint(network, name)

    async def checkpoints(self, network: str) -> Sequence[CheckpointRecord]:
        """All checkpoints of a network."""
        await self.record(network)
        return await self._engine.checkpoints(network)

    async def stored_bytes(self, network: str) -> int:
        """Bytes of all retained versions of a network."""
        await self.record(network)
        return await self._engine.stored_bytes(network)

    async def rename(self, network: str, name: str | None, guard: Guard) -> NetworkRecord:
        """Give a network another name."""
        await self.record(network)
        return await self._engine.rename(network, name, guard)

    async def delete(self, network: str, guard: Guard) -> None:
        """Forget a network."""
        await self.record(network)
        await self._engine.delete(network, guard)

    async def record(self, network: str) -> NetworkRecord:
        """What a network is."""
        found = await self._engine.record(network)
        if found.owner != self._owner:
            raise _unknown(network)
        return found

    async def networks(
        self, limit: int, after: str | None = None, owner: str | None = None
    ) -> tuple[Sequence[NetworkRecord], str | None]:
        """A page of the owner's networks; of another owner's there are none."""
        if owner not in {None, self._owner}:
            return (), None
        return await self._engine.networks(limit, after, self._owner)

    async def versions(self, network: str, limit: int, after: int | None = None) -> Sequence[VersionRecord]:
        """A page of versions."""
        await self.record(network)
        return await self._engine.versions(network, limit, after)

    async def usage(self) -> StoreUsage:
        """How much the store holds, of everybody."""
        return await self._engine.usage()

    async def ready(self) -> None:
        """Return when the store has written."""
        await self._engine.ready()

    async def close(self) -> None:
        """Nothing: what others see too is closed by whoever opened it."""

    def _own(self, network: str, snapshot: Snapshot) -> Snapshot:
        if snapshot.record.owner != self._owner:
            raise _unknown(network)
        return snapshot

    def _guarded(self, guard: Guard) -> Guard:
        return replace(guard, owner=self._owner, max_networks=self._max_networks)


def _unknown(network: str) -> NotFound:
    return NotFound(f"there is no network {network}")
