"""The file `journal`: a page that says what it is, then pages for frames and cells, written whole and synced together.

What is written goes past the page cache where the file system lets it: it is written once and hardly ever read, and pages that
have not been touched for long cost a small commit half as much again as the disk does.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from service.errors import CorruptState
from service.storage.encoding import Buffer
from service.storage.faults import SyncError
from service.storage.journal.frames import PAGE
from service.storage.journal.ring import Ring
from service.storage.slots import sync_folder

__all__ = ["NAME", "JournalFile", "WrittenFile"]

NAME: Final = "journal"
_FIRST: Final = b"gradwire journal 1".ljust(PAGE, b"\0")
_ZEROS_PAGES: Final = 256
_ZEROS: Final = bytes(_ZEROS_PAGES * PAGE)


class JournalFile:
    """Open for reading. Pages are counted without the first.

    Raises:
        FileNotFoundError: there is none, or only the beginning of one. CorruptState: it is something else. OSError: it
            cannot be opened.
    """

    def __init__(self, folder: Path, flags: int = os.O_RDONLY) -> None:
        self._descriptor = os.open(folder / NAME, flags)
        try:
            first = os.pread(self._descriptor, PAGE, 0)
            if not any(first):
                raise FileNotFoundError(errno.ENOENT, "nothing has been written to it", str(folder / NAME))
            if first != _FIRST:
                raise CorruptState(f"{folder / NAME} is not a journal of this service")
        except BaseException:
            os.close(self._descriptor)
            raise

    @property
    def first(self) -> bytes:
        """The page that says what it is."""
        return _FIRST

    @property
    def pages(self) -> int:
        """How many there are."""
        return max(0, os.fstat(self._descriptor).st_size // PAGE - 1)

    def read(self, page: int, nbytes: int) -> bytes:
        """What is there from a page on; less where the file ends."""
        offset = (1 + page) * PAGE
        nbytes = min(nbytes, max(0, self.pages - page) * PAGE)
        found = os.pread(self._descriptor, nbytes, offset)
        while len(found) < nbytes and (more := os.pread(self._descriptor, nbytes - len(found), offset + len(found))):
            found += more
        return found

    def hold(self) -> None:
        """Ask whoever writes to use no page again until this is closed."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


class WrittenFile(JournalFile):
    """Open for writing; made by `create` where there is none."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, os.O_RDWR)
        try:
            self._direct = _direct(folder / NAME)
        except OSError:
            super().close()
            raise
        self._ring = Ring()

    @classmethod
    def create(cls, folder: Path) -> WrittenFile:
        """A new one, its name on disk. Raises `OSError`, and then there is none."""
        path = folder / NAME
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.pwrite(descriptor, _FIRST, 0)
            _sync(descriptor)
        except OSError as error:
            if not isinstance(error, SyncError):
                path.unlink()
            raise
        finally:
            os.close(descriptor)
        sync_folder(folder)
        return cls(folder)

    def write(self, page: int, pieces: Sequence[Buffer]) -> None:
        """Put pieces from a page on, one after the other; together they are whole pages."""
        offset = (1 + page) * PAGE
        for gathered in self._ring.gather(pieces):
            self._write(gathered, offset)
            offset += len(gathered)

    def sync(self) -> None:
        """All that was written is on disk. Raises `SyncError`."""
        _sync(self._descriptor)

    def grow(self, pages: int) -> None:
        """Room for so many pages more. Raises `OSError`, and then there are as many as before.

        They are written to: where nothing was ever written, a commit and its sync take twice as long.
        """
        before = self.pages
        end = (1 + before) * PAGE
        try:
            os.posix_fallocate(self._descriptor, end, pages * PAGE)
            for at in range(0, pages, _ZEROS_PAGES):
                self.write(before + at, [_ZEROS[: (pages - at) * PAGE]])
        except OSError:
            os.ftruncate(self._descriptor, end)
            raise

    def shrink(self, pages: int) -> None:
        """So many pages and no more."""
        os.ftruncate(self._descriptor, (1 + pages) * PAGE)

    def is_held(self) -> bool:
        """Whether another process has asked for no page to be used again."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Let go of it."""
        super().close()
        if self._direct is not None:
            os.close(self._direct)

    def _write(self, data: memoryview, offset: int) -> None:
        while data:
            written = self._put(data, offset)
            offset, data = offset + written, data[written:]

    def _put(self, data: memoryview, offset: int) -> int:
        if self._direct is not None:
            try:
                return os.pwrite(self._direct, data, offset)
            except OSError as error:
                # The device has larger blocks than a page, or took part of one: through the cache it takes anything.
                if error.errno != errno.EINVAL:
                    raise
        return os.pwrite(self._descriptor, data, offset)


def _direct(path: Path) -> int | None:
    """The same file, written past the page cache; None where the system or the file system does not do that."""
    flag = getattr(os, "O_DIRECT", None)
    if flag is None:
        return None
    try:
        return os.open(path, os.O_RDWR | flag)
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.EOPNOTSUPP}:
            return None
        raise


def _sync(descriptor: int) -> None:
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        raise SyncError(error.errno, error.strerror) from error
