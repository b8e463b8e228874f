"""The engine of one process: each live network has one owner here, and memory never runs ahead of the disk.

A write holds the network's turn from the check of its conditions until the store has it. The next one may then be computed
on a version that is not on disk yet, and stands or falls with it. A write is published and answered when it is on disk. Readers
take the published version and wait for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

from core.backend import Backend
from core.network import Parameters
from service.engine.base import Applied, Change, Guard, Since, Snapshot
from service.engine.caretaking import Caretaking
from service.engine.fair import Patience
from service.engine.guards import check, creations, receipt_for, refuse_stale
from service.engine.live import Landing, Live, LiveNetworks
from service.engine.memory import Memory
from service.engine.replay import Bounds, Recompute, Replays, is_logged
from service.engine.states import state_of
from service.engine.waiting import Meter, Workers, landed
from service.storage.base import NetworkRecord, NetworkState, StepRecord, Store, VersionRecord, timestamp

__all__ = ["LocalEngine"]


@dataclass(frozen=True)
class _Changed:
    """The next version, and what it is kept as."""

    change: Change
    kept_as: NetworkState | StepRecord
    since: Since


class LocalEngine(Caretaking):
    """`service.engine.base.Engine` over a store. It belongs to one event loop.

    Args:
        store: closed by `close`.
        backend: where live networks are and what computes.
        require_if_match: refuse writes to a network without `If-Match`.
        max_live_bytes: of the networks kept in memory while nobody works on them.
        inline_operations: up to this many operations run on the event loop (`Workers` says more).
        threads: how many computations run at once; None: one for each processor.
        waiting: how many computations may wait for a thread, and how many writes for one network, before `Overloaded`.
        patience: how long computations may wait for a thread.
        memory: what all computations in threads may take together, by estimate.
        meter: told of every computation.
        recompute: computes steps that were logged; without it none is.
        bounds: how much there may be to compute again for one version.
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
        recompute: Recompute | None = None,
        bounds: Bounds = Bounds(),  # noqa: B008  it is frozen
    ) -> None:
        workers = Workers(inline_operations, threads, waiting, patience=patience, memory=memory, meter=meter)
        replays = Replays(backend, recompute, bounds)
        live = LiveNetworks(max_live_bytes, waiting)
        super().__init__(store, workers, live, backend, replays, required=require_if_match)
        self.compute = workers.compute

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
                    current, changed = await self._following(live, network, change, guard, operations, nbytes)
                    landing, applied = self._hand_over(live, current.record, changed, guard)
                await self._live.arrived(live, landing)
                return applied

    async def look(self, network: str, guard: Guard) -> Applied | None:
        """What a write would be told at once."""
        with self._keys.claim(network, guard) as earlier:
            if earlier is None:
                check(guard, (await self.snapshot(network)).version, required=self._required)
            return earlier

    async def restore(self, network: str, checkpoint: str, guard: Guard) -> Applied:
        """Make the next version from a checkpoint."""
        with self._keys.claim(network, guard) as earlier:
            if earlier is not None:
                return earlier
            with self._live.hold(network) as live:
                refuse_stale(guard, (await self.record(network)).version, required=self._required)
                async with self._live.alone(live), live.loading:
                    record = live.snapshot.record if live.snapshot is not None else self._store.network(network)
                    check(guard, record.version, required=self._required)
                    changed = await self._workers.read(lambda: self._restored(network, checkpoint))
                    landing, applied = self._hand_over(live, record, changed, guard)
                    await self._live.arrived(live, landing)
                    return applied

    async def close(self) -> None:
        """Finish what is running, then let go of the store."""
        await self._settle_all()
        await asyncio.to_thread(self._workers.close)
        await asyncio.to_thread(self._store.close)

    async def _create(self, start: Snapshot, made: VersionRecord, body: Mapping[str, Any], guard: Guard) -> Applied:
        record, parameters = start.record, start.parameters
        start = replace(start, since=Since())
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

    async def _followed(self, network: str, live: Live, guard: Guard) -> Snapshot:
        """What the next version follows, if the conditions let it: on disk where they name versions."""
        if isinstance(guard.if_match, frozenset):
            await self._live.all_landed(live)
        else:
            await self._live.room(live)
        current = live.newest or await self._load(network, live)
        check(guard, current.version, required=self._required)
        return current

    async def _following(
        self,
        live: Live,
        network: str,
        change: Callable[[Snapshot], Change],
        guard: Guard,
        operations: int,
        nbytes: int,
    ) -> tuple[Snapshot, _Changed]:
        """The next version and the one that it follows; computed again where that one did not come to the disk."""
        while True:
            current = await self._followed(network, live, guard)
            # A logged one may wait for others that hold another number of threads.
            aside = is_logged(current.record.spec)
            work = partial(self._changed, change, current)
            try:
                changed = await self._workers.compute(work, operations, network=network, nbytes=nbytes, aside=aside)
            except Exception:
                # Nobody is refused for what is not on disk.
                await self._live.all_landed(live)
                if live.newest is current:
                    raise
            else:
                if live.newest is current:
                    return current, changed

    def _changed(self, change: Callable[[Snapshot], Change], current: Snapshot) -> _Changed:
        begun = perf_counter()
        changed = change(current)
        seconds = perf_counter() - begun
        state = state_of(self._backend, changed.parameters, changed.optimizer)
        return _Changed(changed, *self._replays.kept_as(current, changed, state, seconds))

    def _restored(self, network: str, checkpoint: str) -> _Changed:
        found = self._store.checkpoint(network, checkpoint)
        kept = self._read(network, found.version)
        source = {"source": {"checkpoint": found.name, "version": found.version}}
        change = Change(kept.parameters, kept.optimizer, "restore", source, source)
        return _Changed(change, state_of(self._backend, kept.parameters, kept.optimizer), Since())

    def _hand_over(self, live: Live, record: NetworkRecord, changed: _Changed, guard: Guard) -> tuple[Landing, Applied]:
        """Let the store have the version that follows `record`; what is answered once it is on disk."""
        change, network, version, now = changed.change, record.id, record.version + 1, timestamp()
        applied = Applied(version, {"version": version, **change.body}, change.status)
        following = Snapshot(
            replace(record, version=version, updated_at=now),
            change.parameters.architecture,
            change.parameters,
            change.optimizer,
            changed.since,
        )
        made = VersionRecord(version, change.made_by, now, change.summary)
        receipt = receipt_for(network, guard, applied)
        future = self._store.commit_version(network, record.version, changed.kept_as, made, receipt)
        return self._live.depart(live, following, future), applied
