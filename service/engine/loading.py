"""How a network comes into memory, and how it leaves: read from the store, its logged steps computed again.

A network leaves with its current version kept whole, so that steps are computed again only after a crash, or for an older version.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Final

from core.backend import Backend
from service.engine.base import Since, Snapshot
from service.engine.live import Live, LiveNetworks
from service.engine.reads import StoreReads
from service.engine.replay import Replays
from service.engine.states import state_of
from service.engine.waiting import Workers, landed
from service.errors import NotFound, ServiceError
from service.storage.base import NetworkRecord, Store

__all__ = ["Loading"]

_LOG: Final = logging.getLogger("gradwire.replay")


class Loading(StoreReads):
    """The part of `service.engine.base.Engine` that gives out versions."""

    def __init__(self, store: Store, workers: Workers, live: LiveNetworks, backend: Backend, replays: Replays) -> None:
        super().__init__(store, workers)
        self._live = live
        self._backend = backend
        self._replays = replays
        self._leaving: set[asyncio.Task[None]] = set()
        live.leave = self._leave

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

    async def record(self, network: str) -> NetworkRecord:
        """What a network is, with its current version."""
        found = self._live.find(network)
        return found.record if found is not None else self._store.network(network)

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
        # Where the current one is asked for, nothing can write between the two: a write loads the network first, or
        # holds its `loading`, and only one loads at a time.
        record = self._store.network(network)
        wanted = record if version is None else replace(record, version=version)
        return self._replays.snapshot(wanted, self._store.trail(network, wanted.version))

    def _leave(self, network: str, live: Live) -> bool:
        """Whether a network may leave memory now; otherwise it does when it has been settled."""
        if live.snapshot is None or not live.snapshot.since.steps:
            return True
        task = asyncio.get_running_loop().create_task(self._let_go(network))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return False

    async def _let_go(self, network: str) -> None:
        await self._settle(network)
        self._live.let_go(network)

    async def _settle(self, network: str) -> None:
        """Keep the current version of a network whole, if it is not; where that fails, its steps are there all the same."""
        try:
            with self._live.hold(network) as live:
                async with self._live.alone(live):
                    await self._keep_whole(network, live)
        except ServiceError as error:
            _LOG.warning("the current version of network %s stays as steps: %s", network, error)

    async def _keep_whole(self, network: str, live: Live) -> None:
        snapshot = live.snapshot
        if snapshot is None or not snapshot.since.steps:
            return
        state = await self._workers.read(lambda: state_of(self._backend, snapshot.parameters, snapshot.optimizer))
        settled = replace(snapshot, since=Since())
        future = self._store.keep_whole(network, snapshot.version, state)
        await landed(future, lambda: self._live.publish(live, settled))

    async def _settle_all(self) -> None:
        """Before the end: what is in memory and not kept whole."""
        await asyncio.gather(*self._leaving)
        for network in self._live.names():
            await self._settle(network)
