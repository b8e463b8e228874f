"""What a failed system call means for the store: refuse this write, report damage, or stop the process.

A failed fsync is never retried: the kernel may have dropped the pages and called them clean, so that a second one would
succeed and lie. The same goes for a write that the device refused. A full disk is neither: nothing was written.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import apsw

from service.errors import CorruptState, ServiceError, StorageFull, StorageUnavailable

__all__ = ["Fatal", "Stop", "SyncError", "leave", "meaning"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SYNCS = frozenset(
    {apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC, apsw.SQLITE_IOERR_CLOSE, apsw.SQLITE_IOERR_DIR_CLOSE}
)
_EXIT = 70  # EX_SOFTWARE of sysexits.h: not a clean end, not a signal

Fatal = Callable[[str], None]


class SyncError(OSError):
    """fsync or fdatasync failed; whatever its errno is, nothing may be assumed of what was written before."""


def leave(message: str) -> None:
    """Stop the process at once, with one line on standard error; what was answered is on disk."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"gradwire: stopping: {message}\n".encode())
    os._exit(_EXIT)


class Stop:
    """Called once with the reason when the store must not go on; from then on it takes no write.

    `fatal` normally does not return. Where it does (in a test), `check` refuses all that comes after.
    """

    def __init__(self, fatal: Fatal) -> None:
        self._fatal = fatal
        self._reason: str | None = None

    def __call__(self, reason: str) -> StorageUnavailable:
        """Stop; what is returned is for whoever waits, if `fatal` let it come to that."""
        self._reason = reason
        self._fatal(reason)
        return StorageUnavailable(f"the store has stopped: {reason}")

    def check(self) -> None:
        """Raise `StorageUnavailable` if the store has stopped."""
        if self._reason is not None:
            raise StorageUnavailable(f"the store has stopped: {self._reason}")


def meaning(error: Exception, connection: apsw.Connection | None = None) -> ServiceError | None:
    """What an error of the disk or of SQLite comes to; None: the process must stop."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, apsw.IOError):
        return _of_device(error, connection.system_errno if connection is not None else 0)
    if isinstance(error, apsw.FullError):
        return StorageFull("the disk is full; nothing was changed")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return CorruptState(f"the database is damaged: {error}")
    return StorageUnavailable(f"the store could not do this: {type(error).__name__}: {error}")


def _of_system(error: OSError) -> ServiceError | None:
    if isinstance(error, SyncError) or error.errno == errno.EIO:
        return None
    if error.errno in _FULL:
        return StorageFull("the disk is full; nothing was changed")
    return StorageUnavailable(f"the store could not do this: {error.strerror}")


def _of_device(error: apsw.IOError, number: int) -> ServiceError | None:
    kind = getattr(error, "extendedresult", apsw.SQLITE_IOERR)
    if kind == apsw.SQLITE_IOERR_DATA:
        return CorruptState("a page of the database is not the one that was written: its checksum differs")
    if kind not in _SYNCS and number in _FULL:
        return StorageFull("the disk is full; nothing was changed")
    return None
