"""What an engine asks its store for and passes on as it is; each read runs in a thread, since it waits for the disk."""

from __future__ import annotations

from collections.abc import Sequence

from service.engine.waiting import Workers, ended
from service.storage.base import CheckpointRecord, NetworkRecord, Store, StoreUsage, VersionRecord

__all__ = ["StoreReads"]


class StoreReads:
    """The half of `service.engine.base.Engine` that needs no live network."""

    def __init__(self, store: Store, workers: Workers) -> None:
        self._store = store
        self._workers = workers

    @property
    def description(self) -> str:
        """Kind and place of the store."""
        return self._store.description

    async def networks(
        self, limit: int, after: str | None = None, owner: str | None = None
    ) -> tuple[Sequence[NetworkRecord], str | None]:
        """A page of networks, and the next cursor."""
        return await self._workers.read(lambda: self._store.networks(limit, after, owner))

    async def versions(self, network: str, limit: int, after: int | None = None) -> Sequence[VersionRecord]:
        """A page of versions, newest first."""
        return await self._workers.read(lambda: self._store.versions(network, limit, after))

    async def checkpoint(self, network: str, name: str) -> CheckpointRecord:
        """The checkpoint of a name."""
        return await self._workers.read(lambda: self._store.checkpoint(network, name))

    async def checkpoints(self, network: str) -> Sequence[CheckpointRecord]:
        """All checkpoints of a network."""
        return await self._workers.read(lambda: self._store.checkpoints(network))

    async def stored_bytes(self, network: str) -> int:
        """Bytes of all retained versions of a network."""
        return await self._workers.read(lambda: self._store.stored_bytes(network))

    async def usage(self) -> StoreUsage:
        """How much the store holds."""
        return await self._workers.read(self._store.usage)

    async def ready(self) -> None:
        """Return when the store has written."""
        probe = self._store.probe()
        await ended(probe)  # nothing follows from it: whoever has waited long enough may leave
        probe.result()
