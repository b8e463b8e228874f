"""Where the bytes of a write go: small ones with it into the journal or its row, large ones into a slot before that.

A crash between a slot and its row leaves a free slot and nothing else. Writes of one owner come to the writer in the order in
which they were handed over, though some of them had a slot to be written first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from service.errors import StorageUnavailable
from service.storage.encoding import Encoded
from service.storage.faults import Stop, meaning
from service.storage.journal.commits import Commit
from service.storage.slots import Owner, Slots
from service.storage.transactions import Change, Kept
from service.storage.writer import Write, Writer

__all__ = ["Keeper"]


@dataclass(eq=False)
class _Place:
    """In the line of an owner."""

    is_ready: bool = False
    write: Write | None = None
    """None, once it is ready: there is nothing to write."""


class Keeper:
    """Hands writes that bring bytes to the writer.

    Args:
        inline_bytes: up to so many go into the row.
    """

    def __init__(self, writer: Writer, slots: Slots, stop: Stop, inline_bytes: int) -> None:
        self._writer = writer
        self._slots = slots
        self._stop = stop
        self._inline_bytes = inline_bytes
        self._threads = ThreadPoolExecutor(2, "gradwire-slots")
        self._ordering = threading.RLock()
        self._lines: dict[str, deque[_Place]] = {}
        """By name of the owner: what is not with the writer yet, of those of which something waits for its slot."""

    def keep(
        self,
        change: Callable[[Callable[[], Kept]], Change],
        nbytes: int,
        encode: Callable[[], Encoded],
        owner: Owner,
        commit: Commit | None = None,
    ) -> Future[None]:
        """Write `change` with the bytes that `encode` gives, about `nbytes` of them, which are the owner's.

        With `commit`, which says the same, the journal may take it where the bytes are few enough.
        """
        if nbytes <= self._inline_bytes:
            write = Write(change(lambda: Kept(encode())), commit=commit)
            with self._ordering:
                if owner[0] in self._lines:
                    self._hand_over(self._stand(owner), owner, write)
                    return write.future
                return self._writer.submit(write)
        future: Future[None] = Future()
        with self._ordering:
            place = self._stand(owner)
        try:
            self._threads.submit(self._keep_in_slot, change, encode, owner, future, place)
        except RuntimeError:
            future.set_exception(StorageUnavailable("the store is closed"))
            self._hand_over(place, owner, None)
        return future

    def close(self) -> None:
        """Wait for the slots that are being written."""
        self._threads.shutdown()

    def _keep_in_slot(
        self,
        change: Callable[[Callable[[], Kept]], Change],
        encode: Callable[[], Encoded],
        owner: Owner,
        future: Future[None],
        place: _Place,
    ) -> None:
        try:
            self._stop.check()
            encoded = encode()
            kept = Kept(encoded, self._slots.write(encoded, owner))
        except Exception as error:  # noqa: BLE001  whatever it is, the future must say it
            outcome: Exception | None = meaning(error) if isinstance(error, OSError) else error
            failure = outcome or self._stop(f"{error} while writing a slot")
            if future.set_running_or_notify_cancel():
                future.set_exception(failure)
            self._hand_over(place, owner, None)  # what follows it is refused, and by then it is known why
        else:
            self._hand_over(place, owner, Write(change(lambda: kept), kept.slot, future))

    def _stand(self, owner: Owner) -> _Place:
        place = _Place()
        self._lines.setdefault(owner[0], deque()).append(place)
        return place

    def _hand_over(self, place: _Place, owner: Owner, write: Write | None) -> None:
        """Fill a place, and let the writer have all that nothing is before any more."""
        with self._ordering:
            place.is_ready, place.write = True, write
            line = self._lines[owner[0]]
            while line and line[0].is_ready:
                first = line.popleft().write
                if first is not None:
                    self._writer.submit(first)
            if not line:
                del self._lines[owner[0]]
