"""Writes to a network that make no version: its name, its checkpoints, its end. Each has the network's turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

from core.backend import Backend
from service.engine.base import Applied, Guard
from service.engine.guards import Keys, Quotas, check, receipt_for, refuse_stale
from service.engine.live import Live, LiveNetworks
from service.engine.loading import Loading
from service.engine.replay import Replays
from service.engine.states import state_of
from service.engine.waiting import Workers, landed
from service.storage.base import CheckpointRecord, NetworkRecord, NetworkState, Store, timestamp

__all__ = ["Caretaking"]


class Caretaking(Loading):
    """The part of `service.engine.base.Engine` that changes networks and computes nothing."""

    def __init__(
        self,
        store: Store,
        workers: Workers,
        live: LiveNetworks,
        backend: Backend,
        replays: Replays,
        *,
        required: bool,
    ) -> None:
        super().__init__(store, workers, live, backend, replays)
        self._required = required
        self._keys = Keys(store)
        self._quotas = Quotas(store)

    async def create_checkpoint(self, network: str, name: str, version: int | None, guard: Guard) -> Applied:
        """Give a version a name."""
        with self._keys.claim(network, guard) as earlier:
            if earlier is not None:
                return earlier
            async with self._turn(network, guard) as current:
                made = CheckpointRecord(name, current.version if version is None else version, timestamp())
                applied = Applied(current.version, asdict(made), 201)
                receipt = receipt_for(network, guard, applied)
                state = await self._of_steps(network, made.version)
                await landed(self._store.create_checkpoint(network, made, current.version, receipt, state))
                return applied

    async def delete_checkpoint(self, network: str, name: str, guard: Guard) -> None:
        """Take a name away."""
        async with self._turn(network, guard) as current:
            await landed(self._store.delete_checkpoint(network, name, current.version))

    async def rename(self, network: str, name: str | None, guard: Guard) -> NetworkRecord:
        """Give a network another name; its version stays."""
        with self._live.hold(network) as live:
            self._refuse_stale(live, guard)
            async with self._live.alone(live), live.loading:
                record = self._store.network(network)
                check(guard, record.version, required=self._required)
                renamed = replace(record, name=name, updated_at=timestamp())
                future = self._store.rename_network(network, name, renamed.updated_at, record.version)
                await landed(future, lambda: self._publish_record(live, renamed))
                return renamed

    async def delete(self, network: str, guard: Guard) -> None:
        """Forget a network."""
        with self._live.hold(network) as live:
            self._refuse_stale(live, guard)
            async with self._live.alone(live), live.loading:
                record = self._store.network(network)
                check(guard, record.version, required=self._required)
                self._quotas.look(record.owner)

                def publish() -> None:
                    self._live.publish(live, None)
                    self._quotas.changed(record.owner, -1)

                await landed(self._store.delete_network(network, record.version), publish)

    async def _of_steps(self, network: str, version: int) -> NetworkState | None:
        """The numbers of a version that is kept as a step, and needs them for a name."""
        entry = next(iter(await self.versions(network, 1, version + 1)), None)
        if entry is None or entry.version != version or not (entry.retained and entry.recorded):
            return None
        found = await self.at_version(network, version)
        return await self._workers.read(lambda: state_of(self._backend, found.parameters, found.optimizer))

    @asynccontextmanager
    async def _turn(self, network: str, guard: Guard) -> AsyncIterator[NetworkRecord]:
        """The record of a network that nobody else writes to meanwhile, once the conditions let the write pass."""
        with self._live.hold(network) as live:
            self._refuse_stale(live, guard)
            async with self._live.alone(live):
                record = self._store.network(network)
                check(guard, record.version, required=self._required)
                yield record

    def _refuse_stale(self, live: Live, guard: Guard) -> None:
        if live.snapshot is not None:
            refuse_stale(guard, live.snapshot.version, required=self._required)

    def _publish_record(self, live: Live, record: NetworkRecord) -> None:
        if live.snapshot is not None:
            self._live.publish(live, replace(live.snapshot, record=record))
