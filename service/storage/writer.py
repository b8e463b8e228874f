"""One thread holds the only connection that writes, and commits what many networks want in one transaction.

A future resolves after COMMIT, never before; one fsync then serves all that queued up during the last one. A write that
is refused leaves the transaction as it was. One that fails takes the transaction with it, and then each of its writes
is committed alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

import apsw

from service.errors import ServiceError, StorageFull, StorageUnavailable
from service.storage.faults import Stop, meaning
from service.storage.slots import Slots
from service.storage.transactions import Change

__all__ = ["Write", "Writer"]

_BATCH: Final = 128
_CHECKPOINT_IDLE: Final = 2_000  # pages (of 4 KB) in the log: worth copying back while nobody waits
_CHECKPOINT_BUSY: Final = 12_000  # copied back though somebody waits, or the log would grow without bound


@dataclass
class Write:
    """One change, the slot that it brings (given back if it fails) and the future that says how it went."""

    change: Change
    slot: int | None = None
    future: Future[None] = field(default_factory=Future)


class Writer:
    """Takes writes from any thread, commits them in order of arrival."""

    def __init__(self, connection: apsw.Connection, slots: Slots, stop: Stop) -> None:
        self._connection = connection
        self._slots = slots
        self._stop = stop
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._pages = 0
        self._closed = False
        connection.set_wal_hook(self._committed)
        self._thread = threading.Thread(target=self._run, name="gradwire-writer", daemon=True)
        self._thread.start()

    def submit(self, write: Write) -> Future[None]:
        """Queue a write; its future has `StorageUnavailable` if the store has stopped or is closed."""
        if self._closed:
            self._fail(write, StorageUnavailable("the store is closed"))
        else:
            self._queue.put(write)
        return write.future

    def close(self) -> None:
        """Commit what is queued and end the thread."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        batch, last = self._next()
        while batch or not last:
            try:
                self._commit(batch)
                self._checkpoint()
            except BaseException as error:  # noqa: BLE001  nothing may end this thread in silence
                failure = self._stop(f"the writer failed: {type(error).__name__}: {error}")
                for write in batch:
                    if not write.future.done():
                        self._fail(write, failure)
            if last:
                return
            batch, last = self._next()

    def _next(self) -> tuple[list[Write], bool]:
        """What is queued, at least one write; and whether the end was reached."""
        batch: list[Write] = []
        item = self._queue.get()
        while item is not None:
            if item.future.set_running_or_notify_cancel():
                batch.append(item)
            elif item.slot is not None:
                self._slots.release([item.slot])
            if len(batch) >= _BATCH:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: Sequence[Write], *, again: bool = False) -> None:
        try:
            self._stop.check()
            settled = self._transaction(batch)
        except Exception as error:  # noqa: BLE001  whatever it is, the writes must hear of it
            outcome = self._undo(error)
            if isinstance(outcome, StorageFull) and not again:
                self._make_room()
                self._commit(batch, again=True)
            elif len(batch) == 1 or isinstance(outcome, StorageUnavailable):
                for write in batch:
                    self._fail(write, outcome)
            else:
                for write in batch:
                    self._commit([write], again=again)
            return
        for write, answer in zip(batch, settled, strict=True):
            if isinstance(answer, ServiceError):
                self._fail(write, answer)
            else:
                self._slots.release(answer)
                write.future.set_result(None)

    def _transaction(self, batch: Sequence[Write]) -> list[Sequence[int] | ServiceError]:
        settled: list[Sequence[int] | ServiceError] = []
        self._connection.execute("BEGIN IMMEDIATE")
        for write in batch:
            try:
                settled.append(write.change(self._connection))
            except ServiceError as refusal:
                settled.append(refusal)
        self._connection.execute("COMMIT")
        return settled

    def _undo(self, error: Exception) -> Exception:
        """Roll back, and say what the writes are to hear; does not return where the process must stop."""
        outcome = error if not _of_disk(error) else meaning(error, self._connection)
        # A damaged page fails its checksum. What is malformed all the same is so because the device does not read it
        # (SQLite says no more than this of EIO), or because what wrote it is wrong: no write may build on either.
        if outcome is None or isinstance(error, apsw.CorruptError):
            return self._stop(f"{error} (errno {self._connection.system_errno})")
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        return outcome

    def _fail(self, write: Write, error: Exception) -> None:
        if write.slot is not None:
            self._slots.release([write.slot])
        write.future.set_exception(error)

    def _committed(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def _make_room(self) -> None:
        """What is ours to give: spare slots, and the log from its start once it has been copied back.

        A network whose size stays the same can therefore go on on a disk that others have filled.
        """
        self._slots.drop_spares()
        self._copy_back()

    def _checkpoint(self) -> None:
        if self._pages >= (_CHECKPOINT_IDLE if self._queue.empty() else _CHECKPOINT_BUSY):
            self._copy_back()

    def _copy_back(self) -> None:
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._pages = 0
        except apsw.Error as error:
            # A full disk, or a reader in the way: the log keeps everything until a later turn.
            if meaning(error, self._connection) is None:
                self._stop(f"{error} (errno {self._connection.system_errno})")


def _of_disk(error: Exception) -> bool:
    return isinstance(error, OSError | apsw.Error | ServiceError)
