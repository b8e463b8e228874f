"""Large states live in preallocated files that are overwritten in turn: the pool is the whole garbage collection.

A slot that a committed row, a reader or a backup holds is never overwritten. The rows are the truth: at start the pool is rebuilt
from them, so that a crash between a slot and its row leaves a free slot and nothing else.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import weakref
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from service.errors import CorruptState
from service.storage.encoding import Encoded
from service.storage.faults import SyncError

__all__ = ["Owner", "Slots", "sync_folder"]

_STEP: Final = 64 * 1024
_CHUNK: Final = 64 * 1024 * 1024
_SUFFIX: Final = ".slot"

Owner = tuple[str, int]
"""The network and the version whose numbers a slot holds."""


@dataclass
class _Slot:
    capacity: int
    owner: Owner | None = None
    readers: set[object] = field(default_factory=set)
    """One token a reader."""


class Slots:
    """The slot files of one folder. Free ones are kept for the next write up to `spare_bytes` together.

    Where one slot alone is larger than that, two of its size are kept all the same: a network in training
    gives one back for each that it takes.
    """

    def __init__(self, folder: Path, committed: Mapping[int, Owner], spare_bytes: int) -> None:
        self._folder = folder
        self._spare_bytes = spare_bytes
        self._lock = threading.Lock()
        found = {int(path.stem): path.stat().st_size for path in folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal()}
        self._slots = {number: _Slot(size, committed.get(number)) for number, size in found.items()}
        for number, owner in committed.items():
            self._slots.setdefault(number, _Slot(0, owner))  # a lost file: read as damage, never taken for free
        self._next = max(self._slots, default=0) + 1
        with self._lock:
            self._trim()

    def write(self, encoded: Encoded, owner: Owner) -> int:
        """Put the bytes into a slot and return its number once they are on disk.

        Raises:
            OSError: no room, or the device failed; the slot is given back.
        """
        copied: set[int] = set()
        while True:
            number = self._take(encoded.nbytes, owner, copied)
            try:
                if self._fill(number, encoded):
                    return number
            except OSError:
                self.release([number])
                raise
            copied.add(number)
            self.release([number])

    def read(self, number: int, owner: Owner, nbytes: int) -> memoryview | None:
        """The slot's first `nbytes` bytes, or None where the owner has given it up; held as long as the view lives.

        Raises:
            CorruptState: the file is missing, unreadable or too short.
        """
        token = object()
        readers = self._pin(number, owner, token)
        if readers is None:
            return None
        try:
            mapping = self._map(number, nbytes)
        except (OSError, ValueError) as error:
            readers.discard(token)
            raise CorruptState(
                f"the numbers of version {owner[1]} of network {owner[0]} cannot be read: {error}"
            ) from error
        # The collector may call this in a thread that holds our lock; hence a set, whose `discard` needs none.
        weakref.finalize(mapping, readers.discard, token).atexit = False
        return memoryview(mapping)

    def release(self, numbers: Iterable[int]) -> None:
        """No committed row holds these any more; each becomes free when its last reader has gone."""
        with self._lock:
            for number in numbers:
                self._slots[number].owner = None
                self._slots[number] = self._slots.pop(number)  # last in the order of leaving
            self._trim()

    def drop_spares(self) -> None:
        """Give all free slots back to the disk."""
        with self._lock:
            self._trim(room=0)

    def _take(self, nbytes: int, owner: Owner, besides: Container[int] = ()) -> int:
        capacity = -(-nbytes // _STEP) * _STEP
        with self._lock:
            fits = [
                (slot.capacity, number)
                for number, slot in self._free()
                if capacity <= slot.capacity <= 2 * capacity and number not in besides
            ]
            if fits:
                number = min(fits)[1]
                self._slots[number].owner = owner
                return number
            number, self._next = self._next, self._next + 1
            self._slots[number] = _Slot(capacity, owner)
        try:
            self._allocate(number)
        except OSError:
            with self._lock:
                del self._slots[number]
            raise
        return number

    def _allocate(self, number: int) -> None:
        path = self._path(number)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, self._slots[number].capacity)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        sync_folder(self._folder)

    def _fill(self, number: int, encoded: Encoded) -> bool:
        """Write and sync; False, and nothing written, where another process copies the slot (`backup`) just now."""
        descriptor = os.open(self._path(number), os.O_WRONLY)
        try:
            if not _lock(descriptor):
                return False
            offset = 0
            for piece in encoded.pieces:
                view = memoryview(piece)
                while view:
                    written = os.pwrite(descriptor, view[:_CHUNK], offset)
                    offset, view = offset + written, view[written:]
            try:
                os.fdatasync(descriptor)
            except OSError as error:
                raise SyncError(error.errno, error.strerror) from error
            return True
        finally:
            os.close(descriptor)

    def _map(self, number: int, nbytes: int) -> mmap.mmap:
        descriptor = os.open(self._path(number), os.O_RDONLY)
        try:
            return mmap.mmap(descriptor, nbytes, access=mmap.ACCESS_READ)  # ValueError where the file is shorter
        finally:
            os.close(descriptor)

    def _pin(self, number: int, owner: Owner, token: object) -> set[object] | None:
        with self._lock:
            slot = self._slots.get(number)
            if slot is None or slot.owner != owner:
                return None
            slot.readers.add(token)
            return slot.readers

    def _free(self) -> list[tuple[int, _Slot]]:
        return [(number, slot) for number, slot in self._slots.items() if slot.owner is None and not slot.readers]

    def _trim(self, room: int | None = None) -> None:
        if room is None:
            largest = max((slot.capacity for slot in self._slots.values() if slot.owner is not None), default=0)
            room = max(self._spare_bytes, 2 * largest)
        for number, slot in reversed(self._free()):
            room -= slot.capacity
            if room < 0:
                self._path(number).unlink(missing_ok=True)
                del self._slots[number]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}{_SUFFIX}"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise SyncError(error.errno, error.strerror) from error
    finally:
        os.close(descriptor)
