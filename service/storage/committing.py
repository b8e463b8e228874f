"""Changes become rows: many in one transaction, each under its own outcome.

A future resolves after COMMIT, never before. A write that is refused leaves the transaction as it was. One that fails takes
the transaction with it, and then each of its writes is committed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import apsw

from service.errors import ServiceError, StorageFull, StorageUnavailable
from service.storage.faults import Stop, meaning
from service.storage.journal.commits import Commit
from service.storage.journal.journal import Journal
from service.storage.slots import Slots
from service.storage.transactions import Change

__all__ = ["Committer", "Write"]

Answer = Sequence[int] | ServiceError
"""What came of a change: the slots that no row holds any more, or why it was refused."""


@dataclass
class Write:
    """One change, the slot that it brings (given back if it fails) and the future that says how it went."""

    change: Change
    slot: int | None = None
    future: Future[None] = field(default_factory=Future)
    commit: Commit | None = None
    """The same as a commit, where the journal may take it."""


class Committer:
    """The only one that changes rows, in the writer's thread."""

    def __init__(self, connection: apsw.Connection, slots: Slots, journal: Journal, stop: Stop) -> None:
        self._connection = connection
        self._slots = slots
        self._journal = journal
        self._stop = stop
        self.pages = 0
        """In the write-ahead log."""
        connection.set_wal_hook(self._committed)

    def commit(self, batch: Sequence[Write], *, again: bool = False) -> None:
        """Make the changes, and tell the futures."""
        try:
            self._stop.check()
            settled = self._transaction(batch)
        except Exception as error:  # noqa: BLE001  whatever it is, the writes must hear of it
            outcome = self.undo(error)
            if isinstance(outcome, StorageFull) and not again:
                self._make_room()
                self.commit(batch, again=True)
            elif len(batch) == 1 or isinstance(outcome, StorageUnavailable):
                for write in batch:
                    self.fail(write, outcome)
            else:
                for write in batch:
                    self.commit([write], again=again)
            return
        self.tell(batch, settled)

    def together(self, waiting: Sequence[Change], batch: Sequence[Write]) -> Sequence[Answer] | None:
        """Make changes that are acknowledged already, and a batch after them, with one sync.

        What the writes are to hear when those changes wait no more; None where nothing has happened: apart, it is known
        which of them is to blame.
        """
        free: list[int] = []
        try:
            self._stop.check()
            settled = self._transaction(batch, lambda: free.extend(self._made(waiting)))
        except Exception as error:  # noqa: BLE001  whatever it is, it is met again
            self.undo(error)
            return None
        self._slots.release(free)
        return settled

    def tell(self, batch: Sequence[Write], settled: Sequence[Answer]) -> None:
        """Tell the futures of changes that are on disk."""
        for write, answer in zip(batch, settled, strict=True):
            if isinstance(answer, ServiceError):
                self.fail(write, answer)
            else:
                self._slots.release(answer)
                write.future.set_result(None)

    def settle(self, changes: Sequence[Change], *, again: bool = False) -> Exception | None:
        """Make changes that are acknowledged already; what keeps them from being made now, if anything does."""
        try:
            self._stop.check()
            self._connection.execute("BEGIN IMMEDIATE")
            free = self._made(changes)
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  whatever it is, somebody must hear of it
            outcome = self.undo(error)
            if isinstance(outcome, StorageFull) and not again:
                self._make_room()
                return self.settle(changes, again=True)
            if not isinstance(outcome, StorageFull | StorageUnavailable):
                return self._stop(f"acknowledged writes cannot be put into rows: {outcome}")
            return outcome
        self._slots.release(free)
        return None

    def undo(self, error: Exception) -> Exception:
        """Roll back, and say what the writes are to hear; does not return where the process must stop."""
        outcome = error if not _of_disk(error) else meaning(error, self._connection)
        # A damaged page fails its checksum. What is malformed all the same is so because the device does not read it
        # (SQLite says no more than this of EIO), or because what wrote it is wrong: no write may build on either.
        if outcome is None or isinstance(error, apsw.CorruptError):
            return self._stop(f"{error} (errno {self._connection.system_errno})")
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        return outcome

    def fail(self, write: Write, error: Exception) -> None:
        """Tell a write that it did not happen."""
        if write.slot is not None:
            self._slots.release([write.slot])
        write.future.set_exception(error)

    def copy_back(self) -> None:
        """Copy what is in the write-ahead log into the database, so that the log is written from its start again."""
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self.pages = 0
        except apsw.Error as error:
            # A full disk, or a reader in the way: the log keeps everything until a later turn.
            if meaning(error, self._connection) is None:
                self._stop(f"{error} (errno {self._connection.system_errno})")

    def _made(self, changes: Sequence[Change]) -> list[int]:
        return [slot for change in changes for slot in change(self._connection)]

    def _transaction(self, batch: Sequence[Write], first: Callable[[], None] = lambda: None) -> list[Answer]:
        settled: list[Answer] = []
        self._connection.execute("BEGIN IMMEDIATE")
        first()
        before = self._connection.total_changes()
        for write in batch:
            try:
                settled.append(write.change(self._connection))
            except ServiceError as refusal:
                settled.append(refusal)
        is_changed = self._connection.total_changes() != before
        if is_changed:
            self._journal.renew(self._connection)
        self._connection.execute("COMMIT")
        if is_changed:
            self._journal.renewed()
        return settled

    def _committed(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self.pages = pages
        return apsw.SQLITE_OK

    def _make_room(self) -> None:
        """What is ours to give: spare slots, and the log from its start once it has been copied back.

        A network whose size stays the same can therefore go on on a disk that others have filled.
        """
        self._slots.drop_spares()
        self.copy_back()


def _of_disk(error: Exception) -> bool:
    return isinstance(error, OSError | apsw.Error | ServiceError)
