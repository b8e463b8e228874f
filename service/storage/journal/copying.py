"""A copy of a journal for a backup: what the rows of one moment have in it, and what was acknowledged and is in no row yet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import apsw
import xxhash

from service.errors import CorruptState
from service.storage.journal.arena import place_of
from service.storage.journal.file import NAME, JournalFile
from service.storage.journal.frames import PAGE
from service.storage.journal.looking import content_of
from service.storage.journal.recovery import scan
from service.storage.pieces import Piece

__all__ = ["copy_journal"]


def copy_journal(
    rows: apsw.Connection, folder: Path, file: JournalFile | None, destination: Path, cells: Iterable[Piece]
) -> None:
    """Copy the journal of `folder`, which is held, to another folder; pages that nobody needs are holes.

    Raises:
        CorruptState: it is damaged, or was written to while it was looked through.
    """
    found = scan(rows, folder, file)
    if file is None:
        return
    with (destination / NAME).open("wb") as copy:
        copy.write(file.first)
        for piece in cells:
            slot = piece.slot or 0
            data = content_of(file, slot, piece.nbytes, piece.what)
            if xxhash.xxh3_128(data).digest() != piece.digest:
                raise CorruptState(f"{piece.what} is not what was written: its digest differs")
            _put(copy, place_of(slot)[0], data)
        for start, length in found.runs:
            _put(copy, start, file.read(start, length * PAGE))
        copy.truncate((1 + file.pages) * PAGE)


def _put(copy: BinaryIO, page: int, data: bytes) -> None:
    copy.seek((1 + page) * PAGE)
    copy.write(data)
