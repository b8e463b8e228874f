"""The networks in memory: bounded by bytes, the least recently used leave, never one that somebody works on.

The next version of a network may be computed while the ones before it are on their way to the disk. Nobody but the next write
sees those; they become what everybody sees in order, each when it is on disk.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from time import perf_counter
from types import TracebackType
from typing import Final

from service.engine.base import Snapshot
from service.engine.states import footprint
from service.engine.waiting import ended, landed
from service.errors import Overloaded, ServiceError

__all__ = ["Landing", "Live", "LiveNetworks", "Turn"]

_NEWEST: Final = 0.3
"""The weight of the newest turn in the mean that tells how long one takes."""
_AHEAD: Final = 16
"""Versions of one network on their way to the disk."""
_AHEAD_BYTES: Final = 2**26
"""Of those of all networks. Where there are as many, no network has more than one on its way, and computes none meanwhile."""


class Turn:
    """The right to write: one has it, others wait in order of arrival, and no more than `most` of them."""

    def __init__(self, most: int) -> None:
        self._lock = asyncio.Lock()
        self._most = most
        self._waiting = 0
        self._takes = 0.0
        self._since = 0.0

    async def __aenter__(self) -> None:
        """Have the turn. Raises `Overloaded`, with the seconds that the turns of the others will take."""
        if self._waiting >= self._most:
            wait = self._waiting * self._takes
            raise Overloaded(f"{self._waiting} writes wait for this network.", max(1, math.ceil(wait)))
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        self._since = perf_counter()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one have it."""
        self._takes += _NEWEST * (perf_counter() - self._since - self._takes)
        self._lock.release()


@dataclass(eq=False)
class Landing:
    """A version on its way to the disk."""

    snapshot: Snapshot
    future: Future[None]
    """The store's, which says whether it is there."""
    nbytes: int
    because: BaseException | None = None
    """Why it never will be, where that is what became of one that it follows."""


@dataclass(eq=False)
class Live:
    """One network: its turn-taking, and its current version once somebody has loaded it."""

    turn: Turn
    """Held by a write from its check until the store has it; waiters have it in order of arrival."""
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the current version or the record is read from the store or replaced without a snapshot."""
    snapshot: Snapshot | None = None
    ahead: list[Landing] = field(default_factory=list)
    """What follows `snapshot`, in order, and is not known to be on disk."""
    deleted: bool = False
    users: int = 0
    nbytes: int = 0
    leaving: bool = False
    """Whether it will be let go, and something is done with it before."""

    @property
    def newest(self) -> Snapshot | None:
        """What the next version follows."""
        return self.ahead[-1].snapshot if self.ahead else self.snapshot


class LiveNetworks:
    """Live networks by id. Everything here runs on the event loop.

    `limit` bounds the bytes of those that nobody works on; at least what is being worked on is in memory besides.
    `waiting` bounds the writes that wait for one of them. `leave` is asked of each that is to leave: where it says False, it
    calls `let_go` when the network may.
    """

    def __init__(self, limit: int, waiting: int) -> None:
        self._limit = limit
        self._waiting = waiting
        self._held = self._ahead = 0
        self.leave: Callable[[str, Live], bool] = lambda _network, _live: True
        self._networks: OrderedDict[str, Live] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of all live networks together."""
        return self._held

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._networks)

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
        live = self._networks.get(network)
        if live is None:
            live = self._networks[network] = Live(Turn(self._waiting))
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

    def depart(self, live: Live, snapshot: Snapshot, future: Future[None]) -> Landing:
        """The store has been handed the next version."""
        landing = Landing(snapshot, future, footprint(snapshot))
        live.ahead.append(landing)
        self._ahead += landing.nbytes
        return landing

    def land(self, live: Live) -> None:
        """Publish what is on disk; what follows a version that did not come there will not either."""
        # Futures end while they are looked at: each is looked at once, and the last first, since none ends well before those
        # that it follows, and none is refused before the one that it is refused for.
        done = [landing.future.done() for landing in reversed(live.ahead)][::-1]
        for at, landing in enumerate(live.ahead):
            if done[at] and (error := landing.future.exception()) is not None:
                for doomed in live.ahead[at + 1 :]:
                    doomed.because = error
                self._ahead -= sum(each.nbytes for each in live.ahead[at:])
                del live.ahead[at:], done[at:]
                break
        for _ in takewhile(bool, done):
            landing = live.ahead.pop(0)
            self._ahead -= landing.nbytes
            self.publish(live, landing.snapshot)

    async def arrived(self, live: Live, landing: Landing) -> None:
        """Return when a version is on disk and everybody sees it.

        Raises what kept it from there, or one that it follows; and not before it is known, though the caller be cancelled.
        """
        try:
            await landed(landing.future)
        except ServiceError as refused:
            self.land(live)  # which finds the reason
            raise landing.because or refused from None
        finally:
            self.land(live)

    async def room(self, live: Live) -> None:
        """Return when one more version may be computed."""
        while live.ahead and (len(live.ahead) >= _AHEAD or self._ahead + live.ahead[-1].nbytes > _AHEAD_BYTES):
            await self._first(live)

    @asynccontextmanager
    async def alone(self, live: Live) -> AsyncIterator[None]:
        """The turn, with nothing on its way to the disk."""
        async with live.turn:
            await self.all_landed(live)
            yield

    async def all_landed(self, live: Live) -> None:
        """Return when nothing is on its way any more."""
        while live.ahead:
            await self._first(live)

    async def _first(self, live: Live) -> None:
        await ended(live.ahead[0].future)
        self.land(live)

    def names(self) -> list[str]:
        """Those in memory."""
        return list(self._networks)

    def let_go(self, network: str) -> None:
        """Out of memory with one that was leaving, unless somebody works on it again."""
        live = self._networks.get(network)
        if live is not None:
            live.leaving = False
            if not live.users:
                self._drop(network, live)

    def _evict(self) -> None:
        over = self._held - self._limit
        for network, live in list(self._networks.items()) if over > 0 else ():
            if live.leaving:
                over -= live.nbytes
            elif not live.users:
                over -= live.nbytes
                if self.leave(network, live):
                    self._drop(network, live)
                else:
                    live.leaving = True
            if over <= 0:
                return

    def _drop(self, network: str, live: Live) -> None:
        self._held -= live.nbytes
        del self._networks[network]
