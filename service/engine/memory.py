"""What the work at hand takes of the memory, by estimate: the sum is bounded, whatever each request may take."""

from __future__ import annotations

import math

from service.errors import Overloaded

__all__ = ["Memory"]


class Memory:
    """Bytes that are promised to requests, up to `limit` (None: as many as they like). It belongs to one event loop."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self.held = 0

    def take(self, nbytes: int, wait: float = 0.0, own: int = 0) -> None:
        """Promise bytes; `give` takes the promise back. Whoever is alone, with what it holds itself, gets what it asks for.

        Raises:
            Overloaded: others hold too much; with the seconds of `wait`, until they will have done.
        """
        if self._limit is not None and self.held > own and self.held + nbytes > self._limit:
            detail = f"The requests at work take {self.held} bytes by estimate, of {self._limit}; this takes {nbytes}."
            raise Overloaded(detail, max(1, math.ceil(wait)))
        self.held += nbytes

    def give(self, nbytes: int) -> None:
        """So many are free again."""
        self.held -= nbytes
