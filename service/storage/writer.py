"""One thread writes: it takes what many networks want, in order of arrival, and puts it on disk together.

One sync then serves all that queued up during the last one. A batch of nothing but commits goes into the journal, and into
rows when enough wait or nobody does; any other goes into rows at once, after what waits and in one transaction with it.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final

import apsw

from service.errors import StorageUnavailable
from service.storage.committing import Committer, Write
from service.storage.faults import Stop
from service.storage.journal.journal import Journal
from service.storage.journal.writing import Journaling
from service.storage.retention import Retention
from service.storage.slots import Slots

__all__ = ["Write", "Writer"]

_BATCH: Final = 128
_IDLE: Final = 0.01
"""Seconds without a write after which nobody waits."""
_NO_ROOM: Final = 1.0
"""Seconds until what waits is put into rows again, where there was no room for them."""
_CHECKPOINT_IDLE: Final = 2_000  # pages (of 4 KB) in the log: worth copying back while nobody waits
_CHECKPOINT_BUSY: Final = 12_000  # copied back though somebody waits, or the log would grow without bound


class Writer:
    """Takes writes from any thread, and makes them in order of arrival."""

    def __init__(
        self, connection: apsw.Connection, slots: Slots, journal: Journal, stop: Stop, retention: Retention
    ) -> None:
        self._slots = slots
        self._stop = stop
        self._committer = Committer(connection, slots, journal, stop)
        self._journaling = Journaling(journal, self._committer, stop, retention)
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()
        self._patience = _IDLE
        self._thread = threading.Thread(target=self._run, name="gradwire-writer", daemon=True)
        self._thread.start()

    @property
    def is_current_thread(self) -> bool:
        """Whether this is asked by a future's callback, in the writer's thread."""
        return threading.current_thread() is self._thread

    def submit(self, write: Write) -> Future[None]:
        """Queue a write; its future has `StorageUnavailable` if the store has stopped or is closed."""
        with self._closing:  # nothing is queued behind the end, where it would never be heard of again
            if not self._closed:
                self._queue.put(write)
                return write.future
        self._committer.fail(write, StorageUnavailable("the store is closed"))
        return write.future

    def close(self) -> None:
        """Make the writes that are queued and end the thread."""
        with self._closing:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            batch, last = self._next()
            try:
                has_rows = self._make(batch)
                self._tend(idle=last or not batch, has_rows=has_rows)
            except BaseException as error:  # noqa: BLE001  nothing may end this thread in silence
                failure = self._stop(f"the writer failed: {type(error).__name__}: {error}")
                for write in batch:
                    if not write.future.done():
                        self._committer.fail(write, failure)

    def _next(self) -> tuple[list[Write], bool]:
        """What is queued, nothing where nobody came for a while; and whether the end was reached."""
        batch: list[Write] = []
        try:
            item = self._queue.get(timeout=self._patience if self._has_chores() else None)
            while item is not None:
                if item.future.set_running_or_notify_cancel():
                    batch.append(item)
                elif item.slot is not None:
                    self._slots.release([item.slot])
                if len(batch) >= _BATCH:
                    return batch, False
                item = self._queue.get_nowait()
        except Empty:
            return batch, False
        return batch, True

    def _make(self, batch: list[Write]) -> bool:
        """Put it on disk; whether in rows."""
        if not batch:
            return False
        commits = [(write, write.commit) for write in batch if write.commit is not None]
        if len(commits) == len(batch):
            self._journaling.keep(commits)
            return False
        self._journaling.in_rows(batch)
        return True

    def _has_chores(self) -> bool:
        return self._journaling.is_waiting or self._committer.pages >= _CHECKPOINT_IDLE

    def _tend(self, *, idle: bool, has_rows: bool) -> None:
        """What need not be done before anybody is answered."""
        is_calm = idle or (has_rows and self._queue.empty())
        if self._journaling.is_due or (idle and self._journaling.is_waiting):
            self._patience = _IDLE if self._journaling.settle() is None else _NO_ROOM
            is_calm = True  # whoever comes now has waited already
        if self._committer.pages >= (_CHECKPOINT_IDLE if is_calm else _CHECKPOINT_BUSY):
            self._committer.copy_back()
