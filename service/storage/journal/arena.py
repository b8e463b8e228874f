"""Room in the journal's file: the window, which frames are written into one after the other, and cells, which hold states.

A cell is a slot by number; the number says where it is and how long, so that nothing need be remembered of those in use.
Pages are given back once no row and no frame that counts is in them, and are not used again while a backup reads.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from typing import Final

from service.storage.faults import SyncError
from service.storage.journal.extents import Extents
from service.storage.journal.file import WrittenFile
from service.storage.journal.frames import PAGE

__all__ = ["FIRST_CELL", "Arena", "Run", "cell", "is_cell", "place_of"]

Run = tuple[int, int]
"""The first of some pages in a row, and how many they are."""

FIRST_CELL: Final = 1 << 60
"""Slots with this number and above are cells."""
_LENGTH: Final = 40
_MASK: Final = (1 << _LENGTH) - 1
_LEAST: Final = 2**20 // PAGE
_CHUNK: Final = 16 * 2**20 // PAGE
_WINDOW: Final = 64 * 2**20 // PAGE
_RUNS: Final = 32
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def cell(run: Run) -> int:
    """The number of the cell in a run."""
    return FIRST_CELL | run[1] << _LENGTH | run[0]


def is_cell(slot: int) -> bool:
    """Whether the slot of a number is a cell."""
    return slot >= FIRST_CELL


def place_of(slot: int) -> Run:
    """Where a cell is."""
    return slot & _MASK, (slot & ~FIRST_CELL) >> _LENGTH


class Arena:
    """It belongs to the writer.

    Raises:
        ValueError: two of the cells in use overlap, or one is beyond the end of the file.
    """

    def __init__(self, file: WrittenFile, used: Iterable[int]) -> None:
        self._file = file
        self._extents = Extents(map(place_of, used), file.pages)
        self._held: list[Run] = []
        self.window: Sequence[Run] = ()
        """What is left of it."""

    def take(self, pages: int) -> int | None:
        """The first of so many pages in a row of the window, after all that were taken before; None where there are none."""
        for number, (start, length) in enumerate(self.window):
            if length >= pages:
                self._give(self.window[:number])
                self.window = [(start + pages, length - pages), *self.window[number + 1 :]]
                return start
        return None

    def fits(self, pages: int) -> bool:
        """Whether there are so many in a row."""
        return any(length >= pages for _, length in self.window)

    def give(self, runs: Iterable[Run]) -> None:
        """Nothing that counts is in these any more."""
        self._held += runs
        if self._held and not self._file.is_held():
            self._give(self._held)
            self._held = []

    def close_window(self) -> None:
        """No frame goes into it any more. What is in it may count until the rows name another one."""
        self._give(self.window)
        self.window = ()

    def open_window(self, pages: int) -> bool:
        """Another window, with so many pages in a row at least; False where the disk is full. Raises `OSError`."""
        self.close_window()
        self.give(())
        wanted = max(pages, min(max(self._extents.end, _LEAST), _WINDOW))
        if self._extents.free < wanted or self._extents.longest < pages:
            chunk = max(pages, min(max(self._extents.end, _LEAST), _CHUNK))
            if not self._grow(chunk) and self._extents.longest < pages:
                self._grow(pages)
        taken = self._extents.take(wanted, _RUNS)
        if not taken or taken[0][1] < pages:
            self._give(taken)
            return False
        self.window = taken
        return True

    def cut(self) -> None:
        """Give what is free at the end back to the disk."""
        if self._extents.cut():
            self._file.shrink(self._extents.end)

    def _grow(self, pages: int) -> bool:
        try:
            self._file.grow(pages)
        except OSError as error:
            if error.errno not in _FULL or isinstance(error, SyncError):
                raise
            return False
        self._extents.grow(pages)
        return True

    def _give(self, runs: Iterable[Run]) -> None:
        for start, length in runs:
            if length:
                self._extents.give(start, length)
