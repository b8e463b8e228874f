"""The engine of one process: each live network has one owner here, and memory never runs ahead of the disk.

A write holds the network's turn from the check of its conditions to its publication, which follows the commit. Readers
take the published version and wait for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from core.backend import Backend
from core.network import Parameters
from service.engine.base import Applied, Change, Guard, Snapshot
from service.engine.caretaking import Caretaking
from service.engine.fair import Patience
from service.engine.guards import check, creations, receipt_for, refuse_stale
from service.engine.live import Live, LiveNetworks
from service.engine.memory import Memory
from service.engine.states import snapshot_of, state_of
from service.engine.waiting import Meter, Workers, landed
from service.errors import NotFound
from service.storage.base import NetworkRecord, NetworkState, Store, VersionRecord, timestamp

__all__ = ["LocalEngine"]

T = TypeVar("T")

_OPERATIONS_TO_READ: Final = 10
"""About what a number costs that is read from the disk and checked."""


class LocalEngine(Caretaking):
    """`service.engine.base.Engine` over a store. It belongs to one event loop.

    Args:
        store: closed by `close`.
        backend: where live networks are and what computes.
        require_if_match: refuse writes to a network without `If-Match`.
        max_live_bytes: of the networks kept in memory while nobody works on them.
        inline_operations: up to this many floating-point operations run on the event loop.
        threads: how many computations run at once; None: one for each processor.
        waiting: how many computations may wait for a thread, and how many writes for one network, before `Overloaded`.
        patience: how long computations may wait for a thread.
        memory: what all computations in threads may take together, by estimate.
        meter: told of every computation.
    """

    def __init__(
        self,
        store: Store,
        backend: Backend,
        *,
        require_if_match: bool = False,
        max_live_bytes: int = 2**30,
        inline_operations: int = 10_000_000,
        threads: int | None = None,
        waiting: int = 256,
        patience: Patience = Patience(),  # noqa: B008  it is frozen
        memory: Memory | None = None,
        meter: Meter | None = None,
    ) -> None:
        workers = Workers(inline_operations, threads, waiting, patience=patience, memory=memory, meter=meter)
        super().__init__(store, workers, LiveNetworks(max_live_bytes, waiting), required=require_if_match)
        self._backend = backend

    @property
    def backend(self) -> Backend:
        """What computes."""
        return self._backend

    @property
    def live_bytes(self) -> int:
        """Bytes of the networks in memory."""
        return self._live.nbytes

    @property
    def live_networks(self) -> int:
        """Networks in memory."""
        return self._live.count

    @property
    def workers(self) -> Workers:
        """What runs and what waits."""
        return self._workers

    async def create(
        self, record: NetworkRecord, parameters: Parameters, body: Mapping[str, Any], guard: Guard
    ) -> Applied:
        """Keep a new network and answer `body`."""
        with self._keys.claim(creations(guard.owner), guard) as earlier:
            if earlier is not None:
                return earlier
            start = Snapshot(record, parameters.architecture, parameters, None)
            return await self._create(start, VersionRecord(record.version, "create", record.created_at), body, guard)

    async def fork(
        self,
        network: str,
        version: int | None,
        describe: Callable[[Snapshot], tuple[NetworkRecord, Mapping[str, Any]]],
        guard: Guard,
    ) -> Applied:
        """Keep a new network that starts as a version of another."""
        with self._keys.claim(creations(guard.owner), guard) as earlier:
            if earlier is not None:
                return earlier
            source = await (self.snapshot(network) if version is None else self.at_version(network, version))
            record, body = describe(source)
            origin = {"source": {"network": network, "version": source.version}}
            made = VersionRecord(record.version, "fork", record.created_at, origin)
            return await self._create(replace(source, record=record), made, body, guard)

    async def snapshot(self, network: str) -> Snapshot:
        """The current version of a network."""
        found = self._live.find(network)
        if found is not None:
            return found
        with self._live.hold(network) as live:
            return await self._load(network, live)

    async def at_version(self, network: str, version: int) -> Snapshot:
        """A version as it was, on the device."""
        found = self._live.find(network)
        if found is not None and found.version == version:
            return found
        return await self._workers.read(lambda: self._read(network, version))

    async def compute(self, work: Callable[[], T], operations: int, *, network: str = "", nbytes: int = 0) -> T:
        """What `work()` returns or raises, on the loop or in a thread."""
        return await self._workers.compute(work, operations, network=network, nbytes=nbytes)

    async def write(
        self, network: str, change: Callable[[Snapshot], Change], guard: Guard, operations: int, *, nbytes: int = 0
    ) -> Applied:
        """Make the next version of a network."""
        with self._keys.claim(network, guard) as earlier:
            if earlier is not None:
                return earlier
            with self._live.hold(network) as live:
                refuse_stale(guard, (await self._load(network, live)).version, required=self._required)
                async with live.turn:
                    current = await self._load(network, live)
                    check(guard, current.version, required=self._required)
                    changed = await self._workers.compute(
                        lambda: self._changed(change, current), operations, network=network, nbytes=nbytes
                    )
                    return await self._commit(network, live, current, changed, guard)

    async def look(self, network: str, guard: Guard) -> Applied | None:
        """What a write would be told at once."""
        with self._keys.claim(network, guard) as earlier:
            if earlier is None:
                check(guard, (await self.snapshot(network)).version, required=self._required)
            return earlier

    async def restore(self, network: str, checkpoint: str, guard: Guard) -> Applied:
        """Make the next version from a checkpoint."""

        def change(_current: Snapshot) -> Change:
            found = self._store.checkpoint(network, checkpoint)
            kept = self._read(network, found.version)
            source = {"checkpoint": found.name, "version": found.version}
            return Change(kept.parameters, kept.optimizer, "restore", {"source": source}, {"source": source})

        size = (await self.snapshot(network)).architecture.parameter_count
        return await self.write(network, change, guard, _OPERATIONS_TO_READ * size)

    async def record(self, network: str) -> NetworkRecord:
        """What a network is, with its current version."""
        found = self._live.find(network)
        return found.record if found is not None else self._store.network(network)

    async def close(self) -> None:
        """Finish what is running, then let go of the store."""
        await asyncio.to_thread(self._workers.close)
        await asyncio.to_thread(self._store.close)

    async def _create(self, start: Snapshot, made: VersionRecord, body: Mapping[str, Any], guard: Guard) -> Applied:
        record, parameters = start.record, start.parameters
        applied = Applied(record.version, {**body, "version": record.version}, 201)
        receipt = receipt_for(creations(guard.owner), guard, applied)
        size = start.architecture.parameter_count
        with self._quotas.one_more(guard), self._live.hold(record.id) as live:
            state = await self._workers.compute(lambda: state_of(self._backend, parameters, start.optimizer), size)

            def publish() -> None:
                self._live.publish(live, start)
                self._quotas.changed(record.owner, +1)

            await landed(self._store.create_network(record, state, made, receipt), publish)
        return applied

    async def _load(self, network: str, live: Live) -> Snapshot:
        if live.snapshot is not None:
            return live.snapshot
        async with live.loading:
            if live.deleted:
                raise NotFound(f"there is no network {network}")
            snapshot: Snapshot | None = live.snapshot
            if snapshot is None:
                snapshot = await self._workers.read(lambda: self._read(network))
                self._live.publish(live, snapshot)
            return snapshot

    def _read(self, network: str, version: int | None = None) -> Snapshot:
        # Where the current one is asked for, nothing can write between the two: a write loads the network first, and
        # only one loads at a time.
        record = self._store.network(network)
        wanted = record if version is None else replace(record, version=version)
        return snapshot_of(self._backend, wanted, self._store.state(network, wanted.version))

    def _changed(self, change: Callable[[Snapshot], Change], current: Snapshot) -> tuple[Change, NetworkState]:
        changed = change(current)
        return changed, state_of(self._backend, changed.parameters, changed.optimizer)

    async def _commit(
        self, network: str, live: Live, current: Snapshot, changed: tuple[Change, NetworkState], guard: Guard
    ) -> Applied:
        change, state = changed
        version, now = current.version + 1, timestamp()
        applied = Applied(version, {"version": version, **change.body}, change.status)
        record = replace(current.record, version=version, updated_at=now)
        following = Snapshot(record, current.architecture, change.parameters, change.optimizer)
        made = VersionRecord(version, change.made_by, now, change.summary)
        receipt = receipt_for(network, guard, applied)
        future = self._store.commit_version(network, current.version, state, made, receipt)
        await landed(future, lambda: self._live.publish(live, following))
        return applied
