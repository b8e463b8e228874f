"""The networks in memory: bounded by bytes, the least recently used leave, never one that somebody works on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from service.engine.base import Snapshot
from service.engine.states import footprint

__all__ = ["Live", "LiveNetworks"]


@dataclass(eq=False)
class Live:
    """One network: its turn-taking, and its current version once somebody has loaded it."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by a write from its check to its publication; waiters have it in order of arrival."""
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the current version or the record is read from the store or replaced without a snapshot."""
    snapshot: Snapshot | None = None
    deleted: bool = False
    users: int = 0
    nbytes: int = 0


class LiveNetworks:
    """Live networks by id. Everything here runs on the event loop and does not wait.

    `limit` bounds the bytes of those that nobody works on; at least what is being worked on is in memory besides.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._networks: OrderedDict[str, Live] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of all live networks together."""
        return self._held

    def find(self, network: str) -> Snapshot | None:
        """The current version of a network, if it is in memory."""
        live = self._networks.get(network)
        if live is None or live.snapshot is None:
            return None
        self._networks.move_to_end(network)
        return live.snapshot

    @contextmanager
    def hold(self, network: str) -> Iterator[Live]:
        """The network's place, which stays for as long as somebody holds it."""
        live = self._networks.setdefault(network, Live())
        live.users += 1
        self._networks.move_to_end(network)
        try:
            yield live
        finally:
            live.users -= 1
            if not live.users and live.snapshot is None:
                del self._networks[network]
            self._evict()

    def publish(self, live: Live, snapshot: Snapshot | None) -> None:
        """Make `snapshot` what everybody sees; None: the network has been deleted."""
        live.snapshot = snapshot
        live.deleted = snapshot is None
        nbytes = footprint(snapshot) if snapshot is not None else 0
        self._held += nbytes - live.nbytes
        live.nbytes = nbytes

    def _evict(self) -> None:
        if self._held <= self._limit:
            return
        for network, live in list(self._networks.items()):
            if not live.users:
                self._held -= live.nbytes
                del self._networks[network]
            if self._held <= self._limit:
                return
