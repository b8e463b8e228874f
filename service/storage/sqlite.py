"""The embedded store: one folder, one process, SQLite for rows and slot files for large states.

    DIR/gradwire.db (-wal, -shm)   rows, and states up to `inline_bytes`
    DIR/journal                    commits that are in no row yet, and states in cells
    DIR/slots/00000001.slot ...    larger states
    DIR/lock                       the process that owns it all

What a future says is on disk is on disk; what a read returns has passed its digest.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from service.errors import CorruptState, NotFound, StalePrecondition, StorageUnavailable
from service.storage import checkpoints, integrity, rows, transactions, wal
from service.storage.base import (
    CheckpointRecord,
    NetworkRecord,
    NetworkState,
    Receipt,
    StepRecord,
    StoreUsage,
    VersionRecord,
)
from service.storage.connections import Readers, open_writer
from service.storage.faults import Fatal, Stop, leave, meaning
from service.storage.jobs import rows as job_rows
from service.storage.jobs.changes import JobRetention
from service.storage.jobs.sqlite import SqliteJobs
from service.storage.journal.commits import Commit
from service.storage.journal.journal import Journal
from service.storage.journal.recovery import recover
from service.storage.keeping import Keeper
from service.storage.lock import Lock
from service.storage.places import Places
from service.storage.reading import Reading
from service.storage.retention import Retention
from service.storage.schema import migrate
from service.storage.slots import sync_folder
from service.storage.steps import encoder
from service.storage.transactions import Change, Kept
from service.storage.writer import Write, Writer

__all__ = ["SqliteStore"]

T = TypeVar("T")


class SqliteStore(Reading):
    """`service.storage.base.Store` in one folder.

    Args:
        folder: made if it is missing.
        inline_bytes: states up to this many bytes go into the row or the journal, larger ones into slot files.
        spare_bytes: free slot files kept for the next write, together.
        retention: how much is kept of each network.
        job_retention: how much is kept of jobs.
        sync: whether what goes into the journal is on disk, and not only with the kernel, before it is told of.
        fatal: called with the reason when the device failed; does not return, unless in a test.

    Raises:
        StorageUnavailable: the folder belongs to a running process, to another program or to a newer release, or
            cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        inline_bytes: int = 4 * 2**20,
        spare_bytes: int = 64 * 2**20,
        retention: Retention | None = None,
        job_retention: JobRetention | None = None,
        sync: bool = True,
        fatal: Fatal = leave,
    ) -> None:
        self._folder = folder
        self._inline_bytes = inline_bytes
        self._retention = retention or Retention()
        self._job_retention = job_retention or JobRetention()
        self._sync = sync
        self._stop = Stop(fatal)
        self._closed = False
        with _opening(folder):
            (folder / "slots").mkdir(parents=True, exist_ok=True)
            self._lock = Lock(folder / "lock")
            try:
                self._open(folder, spare_bytes)
            except BaseException:
                self._lock.release()
                raise

    def _open(self, folder: Path, spare_bytes: int) -> None:
        wal.settle(folder / "gradwire.db-wal")
        self._connection = open_writer(folder / "gradwire.db")
        try:
            integrity.require_sound(self._connection, folder / "gradwire.db")
            migrate(self._connection)
            self._journal = self._opened_journal(folder)
            self._pending = self._journal.pending
            committed = rows.committed_slots(self._connection) | job_rows.committed_slots(self._connection)
            self._slots = Places(folder / "slots", committed, spare_bytes, self._journal)
            sync_folder(folder)
            sync_folder(folder.parent)
        except BaseException:
            self._connection.close()
            raise
        self._readers = Readers(folder / "gradwire.db")
        self._writer = Writer(self._connection, self._slots, self._journal, self._stop, self._retention)
        self._keeper = Keeper(self._writer, self._slots, self._stop, self._inline_bytes)
        self._jobs = SqliteJobs(self._writer, self._keeper, self._slots, self._read, self._job_retention)

    def _opened_journal(self, folder: Path) -> Journal:
        try:
            file, left = recover(self._connection, folder, self._retention)
            used = rows.committed_cells(self._connection)
            return Journal(folder, self._connection, used, file, left, sync=self._sync)
        except (CorruptState, NotFound, StalePrecondition, ValueError) as error:
            raise integrity.damaged(folder / "gradwire.db", f"with its journal: {error}") from error

    @property
    def description(self) -> str:
        """Kind and place."""
        return f"embedded store {'' if self._sync else 'without sync '}in {self._folder}"

    @property
    def jobs(self) -> SqliteJobs:
        """The jobs in this store."""
        return self._jobs

    def create_network(
        self, record: NetworkRecord, state: NetworkState, made: VersionRecord, receipt: Receipt | None = None
    ) -> Future[None]:
        """Keep a new network, its first version and its receipt."""

        def change(kept: Callable[[], Kept]) -> Change:
            return transactions.create_network(record, kept, made, receipt, retention=self._retention)

        return self._keep(change, state, record.id, made.version)

    def commit_version(
        self,
        network: str,
        expected: int,
        numbers: NetworkState | StepRecord,
        made: VersionRecord,
        receipt: Receipt | None = None,
    ) -> Future[None]:
        """Make `made.version` the current version of `network`, whose current version is `expected`."""
        if made.version != expected + 1:
            raise ValueError(f"version {made.version} cannot follow version {expected}")

        def change(kept: Callable[[], Kept]) -> Change:
            return transactions.commit_version(network, expected, kept, made, receipt, retention=self._retention)

        encode = encoder(numbers, network, made.version)
        commit = Commit(network, expected, numbers, made, receipt, encode)
        return self._keeper.keep(change, numbers.nbytes, encode, (network, made.version), commit)

    def keep_whole(self, network: str, version: int, state: NetworkState) -> Future[None]:
        """Keep the numbers of a version in place of the step that makes them."""

        def change(kept: Callable[[], Kept]) -> Change:
            return transactions.keep_whole(network, version, kept)

        return self._keep(change, state, network, version)

    def rename_network(self, network: str, name: str | None, at: str, expected: int | None = None) -> Future[None]:
        """Give a network another name."""
        return self._writer.submit(Write(transactions.rename_network(network, name, at, expected)))

    def delete_network(self, network: str, expected: int | None = None) -> Future[None]:
        """Forget a network with its versions, its receipts and its slots."""
        return self._writer.submit(Write(transactions.delete_network(network, expected)))

    def create_checkpoint(
        self,
        network: str,
        checkpoint: CheckpointRecord,
        expected: int | None = None,
        receipt: Receipt | None = None,
        state: NetworkState | None = None,
    ) -> Future[None]:
        """Give a version a name."""

        def change(kept: Callable[[], Kept] | None) -> Change:
            return checkpoints.create_checkpoint(
                network, checkpoint, expected, receipt, kept, retention=self._retention
            )

        if state is None:
            return self._writer.submit(Write(change(None)))
        return self._keep(change, state, network, checkpoint.version)

    def delete_checkpoint(self, network: str, name: str, expected: int | None = None) -> Future[None]:
        """Take a name away."""
        change = checkpoints.delete_checkpoint(network, name, expected, retention=self._retention)
        return self._writer.submit(Write(change))

    def probe(self) -> Future[None]:
        """Commit a change to nothing."""
        return self._writer.submit(Write(transactions.probe))

    def usage(self) -> StoreUsage:
        """How much is held, and how much room is left."""
        count = self._read(lambda connection: connection.execute("SELECT count(*) FROM networks").get)
        room = os.statvfs(self._folder)
        used = sum(map(_size, self._folder.rglob("*")))
        return StoreUsage(int(count), used, room.f_bavail * room.f_frsize)

    def close(self) -> None:
        """Finish the queued writes and let go of the files; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._keeper.close()
        self._writer.close()
        self._readers.close()
        self._journal.close()
        self._connection.close()
        self._lock.release()

    def _keep(
        self,
        change: Callable[[Callable[[], Kept]], Change],
        numbers: NetworkState | StepRecord,
        network: str,
        version: int,
    ) -> Future[None]:
        return self._keeper.keep(change, numbers.nbytes, encoder(numbers, network, version), (network, version))

    def _settle(self, network: str) -> None:
        if self._pending.newest(network) is not None and not self._writer.is_current_thread:
            # A full disk or a store that has stopped: what waits is read from where it is.
            self._writer.submit(Write(transactions.nothing)).exception()


def _size(path: Path) -> int:
    try:
        found = path.stat()
    except FileNotFoundError:  # a slot that has been given up since the folder was read
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


@contextmanager
def _opening(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, apsw.Error) as error:
        raise StorageUnavailable(f"the store in {folder} cannot be opened: {meaning(error) or error}") from error
