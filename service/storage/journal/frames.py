"""Frames: commits that were written together, and count together or not at all; their bytes follow them.

    mark (8) | number u64 | payload length u32 | entries u32 | digest (16) | payload, up to a whole page
    cell of an entry, up to a whole page | cell of another | ...

Mark and digest are made with the epoch, which only the store knows: neither an older frame nor bytes that a client has chosen
pass for one of this epoch. An odd epoch says that each frame is on disk before the next is written. The digest covers the
payload, which has the digests of the cells. No page is written again while anything in it counts.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import xxhash

__all__ = [
    "PAGE",
    "Entry",
    "Frame",
    "draw_epoch",
    "entry_size",
    "frame_pages",
    "is_synced",
    "numbers",
    "pack",
    "pages",
    "read",
]

PAGE: Final = 4096
_MAGIC: Final = b"gradwire frame 1"
_HEAD: Final = struct.Struct("<8sQII")
_DIGEST: Final = 16
_PREFIX: Final = _HEAD.size + _DIGEST
_LENGTHS: Final = struct.Struct("<II")

Entry = tuple[bytes, bytes]
"""A document and, where it is short, its content."""
Read = Callable[[int, int], bytes]
"""So many bytes from a page on."""


@dataclass(frozen=True)
class Frame:
    """A whole one."""

    number: int
    entries: Sequence[Entry]
    pages: int
    """Without the cells behind it."""


def draw_epoch(drawn: int, *, sync: bool) -> int:
    """An epoch that says whether its frames are synced one by one; none is 0."""
    return drawn | 1 if sync else (drawn | 2) & ~1


def is_synced(epoch: int) -> bool:
    """Whether each frame of an epoch is on disk before the next is written, so that a gap between them is damage."""
    return bool(epoch & 1)


def pages(nbytes: int) -> int:
    """Pages that so many bytes take."""
    return -(-nbytes // PAGE)


def entry_size(document: bytes, content: bytes) -> int:
    """Bytes of an entry in its frame."""
    return _LENGTHS.size + len(document) + len(content)


def frame_pages(nbytes: int) -> int:
    """Pages of a frame whose entries have so many bytes together."""
    return pages(_PREFIX + nbytes)


def pack(epoch: int, number: int, entries: Sequence[Entry]) -> bytes:
    """The pages of a frame."""
    parts: list[bytes] = []
    for document, content in entries:
        parts += (_LENGTHS.pack(len(document), len(content)), document, content)
    payload = b"".join(parts)
    head = _HEAD.pack(_mark(epoch), number, len(payload), len(entries))
    frame = head + _digest(epoch, head, payload) + payload
    return frame + bytes(-len(frame) % PAGE)


def read(source: Read, page: int, epoch: int) -> Frame | None:
    """The frame that begins at a page; None where there is no whole one of this epoch."""
    first = source(page, PAGE)
    if not first.startswith(_mark(epoch)) or len(first) < _PREFIX:
        return None
    _, number, length, count = _HEAD.unpack_from(first)
    payload = (first if _PREFIX + length <= PAGE else source(page, _PREFIX + length))[_PREFIX : _PREFIX + length]
    if _digest(epoch, first[: _HEAD.size], payload) != first[_HEAD.size : _PREFIX]:
        return None
    return Frame(number, list(_entries(payload, count)), frame_pages(length))


def numbers(source: Read, start: int, end: int, epoch: int) -> Iterator[int]:
    """The numbers of all whole frames of this epoch between two pages, wherever they begin."""
    mark = _mark(epoch)
    for page in range(start, end):
        if source(page, len(mark)) == mark and (frame := read(source, page, epoch)) is not None:
            yield frame.number


def _entries(payload: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        document, content = _LENGTHS.unpack_from(payload, at)
        at += _LENGTHS.size
        yield payload[at : at + document], payload[at + document : at + document + content]
        at += document + content


def _mark(epoch: int) -> bytes:
    return xxhash.xxh3_64(_MAGIC, seed=epoch).digest()


def _digest(epoch: int, head: bytes, payload: bytes) -> bytes:
    total = xxhash.xxh3_128(head, seed=epoch)
    total.update(payload)
    return total.digest()
