"""Pages of memory in which what goes into the journal is put together: the disk takes whole pages, aligned as its own.

Invariant: pages are filled one behind the other, and again from the first on at the end. Those that a device has just read are
slow to write to, and large pages are told to it in fewer pieces.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Final

from service.storage.encoding import Buffer

__all__ = ["Ring"]

_SIZE: Final = 8 * 2**20
_AT_ONCE: Final = 2 * 2**20
"""Bytes of one call; the whole is a multiple of it."""


class Ring:
    """It belongs to whoever writes."""

    def __init__(self) -> None:
        pages = mmap.mmap(-1, _SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            pages.madvise(mmap.MADV_HUGEPAGE)
        self._pages = memoryview(pages)
        self._at = 0

    def gather(self, pieces: Sequence[Buffer]) -> Iterator[memoryview]:
        """Pieces one after the other, which are whole pages together, as often as it takes; each is good until the next."""
        room, filled = self._room(), 0
        for piece in pieces:
            view = memoryview(piece)
            while view:
                length = min(len(view), len(room) - filled)
                room[filled : filled + length] = view[:length]
                filled, view = filled + length, view[length:]
                if filled == len(room):
                    yield self._taken(room)
                    room, filled = self._room(), 0
        if filled:
            yield self._taken(room[:filled])

    def _room(self) -> memoryview:
        return self._pages[self._at : self._at + _AT_ONCE]

    def _taken(self, part: memoryview) -> memoryview:
        self._at = (self._at + len(part)) % _SIZE
        return part
