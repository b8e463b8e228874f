"""The journal as a process has left it: what is acknowledged and in no row, and whether any of that is damaged.

A frame that is not whole ends the journal, as after a crash: it was never acknowledged. One with a later number behind it
was, since a frame is written when the one before it is on disk; then the journal is damaged. Without sync that is not so,
and what is missing is the end as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw
import orjson
import xxhash

from service.errors import CorruptState, StorageFull
from service.storage.encoding import decode
from service.storage.faults import meaning
from service.storage.journal import frames
from service.storage.journal.applying import rows_of
from service.storage.journal.arena import Run, place_of
from service.storage.journal.commits import Entry, unpack
from service.storage.journal.file import NAME, JournalFile, WrittenFile
from service.storage.retention import Retention
from service.storage.steps import decode_step

__all__ = ["Found", "recover", "scan"]


@dataclass(frozen=True)
class Found:
    """What is in the journal and not in rows."""

    number: int
    """Of the last whole frame."""
    entries: Sequence[Entry]
    runs: Sequence[Run]
    """The pages of all frames and their cells."""
    frames: Sequence[Run]
    """Without the cells."""


def scan(connection: apsw.Connection, folder: Path, file: JournalFile | None) -> Found:
    """Look through the journal. It writes nothing.

    Raises:
        CorruptState: acknowledged writes are lost.
    """
    row: Any = connection.execute("SELECT epoch, number, runs FROM journal").fetchone()
    epoch, number, window = row[0], row[1], [(start, start + length) for start, length in orjson.loads(row[2])]
    if not epoch:
        return Found(0, (), (), ())
    if file is None:
        raise CorruptState(f"{folder / NAME} is missing, and with it what is kept in it")
    entries: list[Entry] = []
    runs: list[Run] = []
    alone: list[Run] = []
    is_seen = False
    while True:
        found = _next(file, window, epoch, number + 1)
        if found is not None:
            skipped, its, own, length = found
            del window[:skipped]
            start, end = window[0]
            entries += its
            runs.append((start, length))
            alone.append((start, own))
            window[0], number, is_seen = (start + length, end), number + 1, False
        elif is_seen:
            raise CorruptState(f"the journal is damaged in frame {number + 1}, and acknowledged writes are lost")
        else:
            # The next one may be whole where one of its cells is not: it was not on disk either. Where there is one behind
            # it, it is looked at once more: a writer may have gone on. Frames that were not synced may be missing.
            later = (seen for start, end in window for seen in frames.numbers(file.read, start, end, epoch))
            if not (is_seen := frames.is_synced(epoch) and any(seen > number + 1 for seen in later)):
                return Found(number, entries, runs, alone)


def recover(connection: apsw.Connection, folder: Path, retention: Retention) -> tuple[WrittenFile | None, Found | None]:
    """Put what is in the journal alone into rows. Give the file, if there is one, and what there was no room for in rows.

    Raises:
        CorruptState, NotFound, StalePrecondition: acknowledged writes are lost, or do not fit to the rows. OSError,
            apsw.Error: the device failed.
    """
    try:
        file = WrittenFile(folder)
    except FileNotFoundError:
        file = None
    try:
        found = scan(connection, folder, file)
        if file is not None and found.entries:
            # On disk as it is read now: what a failed sync has left in memory would be written by no later one.
            for start, length in found.runs:
                file.write(start, [file.read(start, length * frames.PAGE)])
            file.sync()
            if not _put_into_rows(connection, found, retention):
                return file, replace(found, entries=[_with_numbers(file, entry) for entry in found.entries])
    except BaseException:
        if file is not None:
            file.close()
        raise
    return file, None


def _put_into_rows(connection: apsw.Connection, found: Found, retention: Retention) -> bool:
    """False where there is no room for them."""
    try:
        with connection:
            rows_of(found.entries, retention)(connection)
            connection.execute("UPDATE journal SET number = ?", (found.number,))
    except apsw.Error as error:
        if isinstance(meaning(error, connection), StorageFull):
            return False
        raise
    return True


def _with_numbers(file: JournalFile, entry: Entry) -> Entry:
    encoded = entry.kept.encoded
    read = decode_step if encoded.recorded else decode
    return replace(entry, numbers=read(_content(file, entry), encoded.digest, entry.network, entry.made.version))


def _next(
    file: JournalFile, window: Sequence[Run], epoch: int, number: int
) -> tuple[int, Sequence[Entry], int, int] | None:
    """The frame of a number at the start of a run, of the first that has it: which, its entries, its pages, with cells."""
    for skipped, (start, end) in enumerate(window):
        frame = frames.read(file.read, start, epoch) if start < end else None
        if frame is not None and frame.number == number:
            behind = start + frame.pages
            entries = [unpack(*entry, behind) for entry in frame.entries]
            cells = [place_of(entry.kept.slot) for entry in entries if entry.kept.slot is not None]
            if not all(_is_whole(file, entry) for entry in entries):
                return None
            return skipped, entries, frame.pages, max([behind, *map(sum, cells)]) - start
    return None


def _is_whole(file: JournalFile, entry: Entry) -> bool:
    return xxhash.xxh3_128(_content(file, entry)).digest() == entry.kept.encoded.digest


def _content(file: JournalFile, entry: Entry) -> bytes:
    encoded, slot = entry.kept.encoded, entry.kept.slot
    return encoded.joined() if slot is None else file.read(place_of(slot)[0], encoded.nbytes)
