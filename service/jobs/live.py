"""A job that has not finished, in memory: what is known of it, what was told of it, and whoever waits for more.

Nothing is told that is not on disk, so that a number in `Last-Event-ID` means the same after a crash.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from service.jobs.kinds import Token
from service.storage.jobs.base import JobEvent, JobRecord

__all__ = ["LiveJob"]

_REMEMBERED: Final = 1000
"""Events that can be told again without the disk; the store keeps as many."""


class LiveJob:
    """One job that is queued or running, and for a moment after. It belongs to one event loop."""

    def __init__(
        self, record: JobRecord, nbytes: int, told: Sequence[JobEvent] = (), body: bytes | None = None
    ) -> None:
        self.record = record
        self.nbytes = nbytes
        """Of its request."""
        self.body = body
        """The request, where it need not be read from the disk."""
        self.token = Token()
        self.work: asyncio.Task[Any] | None = None
        """What runs now and may be cancelled."""
        self.ending = False
        """Whether its end is being kept: nothing more is told but that."""
        self._told = deque(told, _REMEMBERED)
        self._number = told[-1].number if told else 0
        self._changed = asyncio.Event()

    @property
    def is_on_disk(self) -> bool:
        """Whether it may be told of at all."""
        return bool(self._told)

    def next_number(self) -> int:
        """The number of the next event; each is given once."""
        self._number += 1
        return self._number

    def publish(self, record: JobRecord, event: JobEvent) -> None:
        """Show what is on disk now to whoever waits."""
        self.record = record
        self._told.append(event)
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def after(self, number: int) -> Sequence[JobEvent]:
        """What was told after an event, and is still remembered."""
        return [event for event in self._told if event.number > number]

    async def change(self, seconds: float) -> bool:
        """Wait for the next change; False where none came in time."""
        waiting = asyncio.ensure_future(self._changed.wait())
        try:
            # And no `asyncio.timeout`, which asks for a task: whoever waits may not have one yet.
            done, _ = await asyncio.wait([waiting], timeout=seconds)
        finally:
            waiting.cancel()
        return bool(done)
