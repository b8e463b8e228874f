"""How much there may be of jobs, and how long one waits: bounds, and an honest guess from how long jobs took before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from service.errors import Overloaded

__all__ = ["Bounds", "Load"]

_LONGEST: Final = 3600
_NEWEST: Final = 0.2
"""The weight of the newest duration in the mean."""


@dataclass(frozen=True)
class Bounds:
    """The bounds of one process."""

    workers: int = 2
    """Jobs that run at once."""
    queue: int = 1000
    """Jobs that have not finished; one network has at most half of the places."""
    queue_bytes: int = 2**30
    """Bytes of the requests of those."""
    result_seconds: float = 86400.0
    """How long a result is kept."""
    heartbeat_seconds: float = 15.0
    """Without an event, whoever follows hears that the connection still stands."""
    leave_seconds: float = 60.0
    """How long jobs that run may go on when the process is to end."""


class Load:
    """What there is of unfinished jobs, and how long one takes."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._count = 0
        self._nbytes = 0
        self._mean = 1.0
        self._known = False

    @property
    def count(self) -> int:
        """Jobs that have not finished."""
        return self._count

    @property
    def nbytes(self) -> int:
        """Of their requests."""
        return self._nbytes

    def enter(self, nbytes: int) -> None:
        """One more."""
        self._count += 1
        self._nbytes += nbytes

    def leave(self, nbytes: int) -> None:
        """One less."""
        self._count -= 1
        self._nbytes -= nbytes

    def took(self, seconds: float) -> None:
        """A job has run for so long."""
        self._mean = self._mean + _NEWEST * (seconds - self._mean) if self._known else seconds
        self._known = True

    def wait(self, jobs: int) -> int:
        """Whole seconds until so many jobs have run, as far as one can tell, at least one."""
        return min(_LONGEST, max(1, math.ceil(jobs * self._mean / self._bounds.workers)))

    def admit(self, nbytes: int, of_network: int) -> None:
        """Let a job wait. Raises `Overloaded`, with the seconds until a place is free."""
        if self._count >= self._bounds.queue:
            raise self._full(f"{self._count} jobs have not finished, and there may not be more.")
        if of_network >= max(1, self._bounds.queue // 2):
            raise self._full(f"{of_network} jobs of this network wait: half of all places.")
        if self._count and self._nbytes + nbytes > self._bounds.queue_bytes:
            limit = self._bounds.queue_bytes
            raise self._full(f"The jobs that have not finished take {self._nbytes} bytes, of {limit}.")

    def _full(self, detail: str) -> Overloaded:
        return Overloaded(detail, self.wait(1))
