"""How this service opens SQLite: one connection that writes, any number that only read, every page under a checksum.

SQLite before 3.51.3 can lose a commit when a write-ahead log is reset beside another connection, so it is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import apsw
import apsw.sqlite_extra

from service.errors import StorageUnavailable

__all__ = ["Readers", "open_copy", "open_reader", "open_writer", "tidy"]

_MINIMUM: Final = (3, 51, 3)
_RESERVED: Final = 8  # bytes at the end of a page that hold its checksum
_VFS: Final = "cksmvfs"
_BUSY_MILLISECONDS: Final = 10_000
_LARGEST_IDLE_WAL: Final = 64 * 1024 * 1024
_CACHE_KILOBYTES: Final = (
    32 * 1024
)  # dropping an old version walks its pages, and rereading them costs a fifth of a step


def open_writer(path: Path) -> apsw.Connection:
    """The one connection that writes, made ready for durable commits; the file is made if it is missing.

    Raises:
        StorageUnavailable: SQLite is too old, or the file is no database with page checksums.
    """
    _check_library()
    connection = apsw.Connection(str(path), vfs=_VFS)
    # A database that is refused keeps its log, and with it the evidence; `integrity.require_sound` takes this back.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    connection.reserve_bytes(reserve=_RESERVED)  # of a new database; an older one keeps what it has
    if connection.pragma("journal_mode", "wal") != "wal":
        raise StorageUnavailable(f"{path} cannot have a write-ahead log")
    if int(connection.pragma("checksum_verification") or 0) != 1:
        raise StorageUnavailable(f"{path} has no page checksums: it was not made by this service")
    connection.pragma("synchronous", "full")
    connection.pragma("wal_autocheckpoint", 0)  # the writer does it between commits, when nobody waits
    connection.pragma("journal_size_limit", _LARGEST_IDLE_WAL)
    connection.pragma("temp_store", "memory")
    connection.pragma("cache_size", -_CACHE_KILOBYTES)
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """A connection that only reads, and leaves the log as it is when it closes.

    Raises:
        StorageUnavailable: SQLite is too old. apsw.Error: the file cannot be opened.
    """
    _check_library()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=_VFS)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    return connection


def open_copy(path: Path) -> apsw.Connection:
    """A new database that another one is copied into, page by page, each under its checksum."""
    connection = apsw.Connection(str(path), vfs=_VFS)
    connection.reserve_bytes(reserve=_RESERVED)
    # Pages come from the source's log without checksums. They get theirs when they are written, but only once the file
    # has a first page that says so, and a copy that outgrows the cache would write that page last.
    connection.pragma("user_version", 1)
    return connection


class Readers:
    """Connections that only read, lent to one thread at a time; they never wait for the writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[apsw.Connection] = []
        self._closed = False

    @contextmanager
    def __call__(self) -> Iterator[apsw.Connection]:
        """A connection for one read; as many are open as there ever were threads reading at once."""
        connection = self._borrow()
        try:
            yield connection
        finally:
            with self._lock:
                if not self._closed:
                    self._idle.append(connection)
            if self._closed:
                connection.close()

    def close(self) -> None:
        """Close the idle ones; each that is lent is closed when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _borrow(self) -> apsw.Connection:
        with self._lock:
            if self._closed:
                raise StorageUnavailable("the store is closed")
            if self._idle:
                return self._idle.pop()
        return open_reader(self._path)


@contextmanager
def tidy(database: Path) -> Iterator[None]:
    """Take away the empty log and its index where SQLite has made them to read a database that had none."""
    beside = [database.with_name(database.name + suffix) for suffix in ("-wal", "-shm")]
    made = [path for path in beside if not path.exists()]
    yield
    if not beside[0].exists() or beside[0].stat().st_size == 0:
        for path in made:
            path.unlink(missing_ok=True)


@cache
def _check_library() -> None:
    if tuple(map(int, apsw.sqlite_lib_version().split("."))) < _MINIMUM:
        raise StorageUnavailable(f"SQLite {apsw.sqlite_lib_version()} can lose commits; 3.51.3 or newer is needed")
    if not apsw.sqlite_extra.has("cksumvfs"):
        raise StorageUnavailable("this build of apsw has no page checksums (cksumvfs); its wheels have them")
    apsw.sqlite_extra.load(apsw.Connection(":memory:"), "cksumvfs")
