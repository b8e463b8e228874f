"""Who is next: networks take turns, and within one the jobs go in order of arrival, its writes one at a time."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

__all__ = ["Fair"]


@dataclass(eq=False)
class _Network:
    reads: deque[tuple[int, str]] = field(default_factory=deque)
    writes: deque[tuple[int, str]] = field(default_factory=deque)
    writing: str | None = None

    def next(self) -> deque[tuple[int, str]] | None:
        """The lane whose first job is the oldest that may run."""
        lanes = [lane for lane in (self.reads, self.writes) if lane]
        if self.writing is not None:
            lanes = [lane for lane in lanes if lane is not self.writes]
        return min(lanes, key=lambda lane: lane[0], default=None)

    def __len__(self) -> int:
        return len(self.reads) + len(self.writes)


class Fair:
    """Jobs that wait, by id. It belongs to one event loop."""

    def __init__(self) -> None:
        self._networks: OrderedDict[str, _Network] = OrderedDict()
        self._arrivals = 0

    def __len__(self) -> int:
        return sum(len(network) for network in self._networks.values())

    def of(self, network: str) -> int:
        """How many jobs of a network wait."""
        return len(self._networks.get(network, ()))

    def put(self, job: str, network: str, *, writes: bool) -> None:
        """Let a job wait for its turn."""
        self._arrivals += 1
        waiting = self._networks.setdefault(network, _Network())
        (waiting.writes if writes else waiting.reads).append((self._arrivals, job))

    def take(self) -> str | None:
        """The next job that may run, and its network goes behind the others; None where none may."""
        for name, network in self._networks.items():
            lane = network.next()
            if lane is not None:
                _, job = lane.popleft()
                if lane is network.writes:
                    network.writing = job
                self._networks.move_to_end(name)
                self._drop_empty(name)
                return job
        return None

    def remove(self, job: str, network: str) -> bool:
        """Take a job out; False where it does not wait any more."""
        waiting = self._networks.get(network)
        for lane in (waiting.reads, waiting.writes) if waiting is not None else ():
            for place in lane:
                if place[1] == job:
                    lane.remove(place)
                    self._drop_empty(network)
                    return True
        return False

    def ended(self, job: str, network: str) -> None:
        """A job that was taken has ended."""
        waiting = self._networks.get(network)
        if waiting is not None and waiting.writing == job:
            waiting.writing = None
            self._drop_empty(network)

    def _drop_empty(self, name: str) -> None:
        network = self._networks[name]
        if not len(network) and network.writing is None:
            del self._networks[name]
