"""The queue of computations: each network has its turn after the others, and what would wait too long is refused.

A queue that is never empty serves nobody better than a short one: every answer is late by the length of the queue. So a
burst may fill it, while a load that stays is held to about as much waiting as a computation takes itself. Times are
estimates from how long the operations of a network took before; while nothing is known, nothing is refused.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.errors import Overloaded

__all__ = ["FairQueue", "Item", "Pace", "Patience"]

_NEWEST: Final = 0.3
"""The weight of the newest measurement."""
_REMEMBERED: Final = 4096


@dataclass(frozen=True)
class Patience:
    """How long computations may wait, in seconds."""

    burst: float = 1.0
    """While the queue has only just begun to fill."""
    lasting: float = 0.02
    """Once it has not been empty for a while; and never less than what a computation takes itself."""
    a_while: float = 0.1
    calm: float = 1.0
    """After the last refusal under a load that stays, before the next burst may fill the queue."""


@dataclass(eq=False)
class Item:
    """A computation that waits for a thread."""

    network: str
    operations: int
    seconds: float
    """What it will take, by estimate."""
    since: float
    nbytes: int = 0
    """Of memory, promised to it until it has left."""
    begun: float = 0.0
    start: Callable[[], None] = lambda: None
    """Called when its turn has come."""
    drop: Callable[[Overloaded], None] | None = None
    """Called instead where it has waited too long under a load that stays; None: it is never dropped."""


class Pace:
    """Seconds that an operation takes, of each network that was seen lately and of all together.

    Work that belongs to no network (`""`: drawing a start, copying) tells nothing of theirs: its operations are others.
    """

    def __init__(self) -> None:
        self._all = 0.0
        self._of: OrderedDict[str, float] = OrderedDict()

    def seconds(self, network: str, operations: int) -> float:
        """What so many operations will take, as far as is known."""
        return operations * self._of.get(network, self._all if network else 0.0)

    def took(self, network: str, operations: int, seconds: float) -> None:
        """Learn from a computation that has ended."""
        each = seconds / max(1, operations)
        if network:
            self._all = _mean(self._all, each)
        self._of[network] = _mean(self._of.get(network, each), each)
        self._of.move_to_end(network)
        if len(self._of) > _REMEMBERED:
            self._of.popitem(last=False)


class FairQueue:
    """What waits for `threads` threads, in lanes by network. It belongs to one event loop.

    Args:
        threads: that work on it.
        most: items that may wait, whatever they take.
        patience: how long they may.
    """

    def __init__(self, threads: int, most: int, patience: Patience) -> None:
        self._threads = threads
        self._most = most
        self._patience = patience
        self._lanes: OrderedDict[str, deque[Item]] = OrderedDict()
        self._queued: dict[str, float] = {}
        self._running: dict[Item, None] = {}
        self._filled_since = 0.0
        self._strict_until = 0.0
        self.depth = 0

    @property
    def running(self) -> int:
        """Computations in threads."""
        return len(self._running)

    def backlog(self, now: float) -> float:
        """Seconds until all that runs and waits is done, by estimate."""
        return (self._left(now) + sum(self._queued.values())) / self._threads

    def admit(self, network: str, seconds: float, now: float) -> None:
        """Let a computation join the queue.

        Raises:
            Overloaded: it would wait too long; with the seconds until what is there has been done.
        """
        if self.depth >= self._most:
            raise self._overloaded(now)
        if self.depth < self._threads:
            return
        wait = self._wait(network, seconds, now)
        lasting = max(self._patience.lasting, seconds)
        if wait <= lasting:
            return
        if now >= self._strict_until and now - self._filled_since < self._patience.a_while:
            if wait <= max(self._patience.burst, seconds):
                return
        else:
            # What is refused shows that the load is still there, though the queue be empty now and then.
            self._strict_until = now + self._patience.calm
            self._drop_late(now)
        raise self._overloaded(now)

    def put(self, item: Item) -> None:
        """Let it wait."""
        if not self.depth:
            self._filled_since = item.since
        self._lanes.setdefault(item.network, deque()).append(item)
        self._queued[item.network] = self._queued.get(item.network, 0.0) + item.seconds
        self.depth += 1

    def start(self, now: float) -> None:
        """Begin with as many as there are threads for, a network after the other."""
        while self.depth and len(self._running) < self._threads:
            network, lane = next(iter(self._lanes.items()))
            item = lane[0]
            self.remove(item)
            if network in self._lanes:
                self._lanes.move_to_end(network)
            self._running[item] = None
            item.begun = now
            item.start()

    def ended(self, item: Item) -> None:
        """It has left its thread."""
        self._running.pop(item, None)

    def remove(self, item: Item) -> bool:
        """Take it out; False where it does not wait any more."""
        lane = self._lanes.get(item.network, ())
        if item not in lane:
            return False
        self._lanes[item.network].remove(item)
        self._queued[item.network] -= item.seconds
        self.depth -= 1
        if not self._lanes[item.network]:
            del self._lanes[item.network], self._queued[item.network]
        return True

    def _left(self, now: float) -> float:
        return sum(max(0.0, item.seconds - (now - item.begun)) for item in self._running)

    def _wait(self, network: str, seconds: float, now: float) -> float:
        """Seconds until a new item of this network begins: of another network no more goes before it than of its own."""
        own = self._queued.get(network, 0.0)
        others = sum(min(queued, own + seconds) for name, queued in self._queued.items() if name != network)
        return (self._left(now) + own + others) / self._threads

    def _drop_late(self, now: float) -> None:
        """What came while the queue still filled, and has waited for longer than it may now."""
        for lane in list(self._lanes.values()):
            for item in list(lane):
                if item.drop is not None and now - item.since > max(self._patience.lasting, item.seconds):
                    self.remove(item)
                    item.drop(self._overloaded(now))

    def _overloaded(self, now: float) -> Overloaded:
        wait = self.backlog(now)
        # Where no computation has ended yet, nobody can say.
        take = f"they take about {wait:.1f} s" if wait > 0.0 else "how long they take is not known yet"
        detail = f"{self.running} computations run and {self.depth} wait; {take}."
        return Overloaded(detail, max(1, math.ceil(wait)))


def _mean(before: float, now: float) -> float:
    return now if before == 0.0 else before + _NEWEST * (now - before)
