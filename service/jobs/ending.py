"""Ends of jobs on their way to the disk: the next jobs run meanwhile, unless too much is under way.

Invariant: whoever waits here for room goes on once enough has landed; what is under way goes on by itself.
"""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["Ending"]

_MOST: Final = 64
"""Ends under way, of which each has its result in memory,"""
_BYTES: Final = 64 * 2**20
"""and the bytes of all of them."""


class Ending:
    """What is being kept of jobs that have come to an end. It belongs to one event loop."""

    def __init__(self) -> None:
        self._nbytes: dict[asyncio.Task[None], int] = {}

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """One for each of them."""
        return set(self._nbytes)

    def add(self, task: asyncio.Task[None], nbytes: int) -> None:
        """One more, with a result of so many bytes."""
        self._nbytes[task] = nbytes
        task.add_done_callback(self._nbytes.pop)

    async def room(self) -> None:
        """Wait until there may be another."""
        while len(self._nbytes) > _MOST or sum(self._nbytes.values()) > _BYTES:
            await asyncio.wait(self._nbytes, return_when=asyncio.FIRST_COMPLETED)
