"""One process owns a store: an advisory lock that the kernel drops when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import StorageUnavailable

__all__ = ["Lock", "unowned"]


class Lock:
    """Held from construction to `release`.

    Raises:
        StorageUnavailable: another process (or another store in this one) holds it; the message names its process id.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "of unknown id"
            os.close(self._descriptor)
            raise StorageUnavailable(f"{path.parent} is in use by process {owner}") from None
        except OSError as error:
            os.close(self._descriptor)
            raise StorageUnavailable(f"{path} cannot be locked: {error.strerror}") from error
        # For whoever finds it taken; the lock itself is the kernel's, so a stale id locks nobody out.
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go; the file stays, since removing it would race with the next owner."""
        os.close(self._descriptor)


@contextmanager
def unowned(folder: Path) -> Iterator[None]:
    """Keep a store from being opened while the block runs, and leave nothing behind in its folder.

    Raises:
        StorageUnavailable: a process owns it.
    """
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY)
    except FileNotFoundError:  # never opened, such as a backup
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "of unknown id"
        raise StorageUnavailable(f"{folder} is in use by process {owner}") from None
    finally:
        os.close(descriptor)
