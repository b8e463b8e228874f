"""The journal of a store that somebody else may be writing to, or nobody: read, and never written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from service.errors import CorruptState
from service.storage.journal.arena import place_of
from service.storage.journal.commits import Entry
from service.storage.journal.extents import Extents
from service.storage.journal.file import JournalFile
from service.storage.journal.recovery import scan
from service.storage.rows import committed_cells

__all__ = ["content_of", "look_at_journal", "opened"]


@contextmanager
def opened(folder: Path) -> Iterator[JournalFile | None]:
    """The journal of a store, if there is one. Raises `CorruptState` where it is something else."""
    try:
        file = JournalFile(folder)
    except FileNotFoundError:
        file = None
    try:
        yield file
    finally:
        if file is not None:
            file.close()


def content_of(file: JournalFile | None, slot: int, nbytes: int, what: str) -> bytes:
    """The bytes in a cell, unchecked. Raises `CorruptState` where they are not there."""
    found = b"" if file is None else file.read(place_of(slot)[0], nbytes)
    if len(found) < nbytes:
        raise CorruptState(f"{what} cannot be read from the journal, which ends before it")
    return found


def look_at_journal(connection: apsw.Connection, folder: Path, notes: list[str]) -> Iterator[str]:
    """What is wrong with the journal but for the cells that rows have; what is worth knowing becomes a note."""
    try:
        with opened(folder) as file:
            try:
                Extents(map(place_of, committed_cells(connection)), 0 if file is None else file.pages)
            except ValueError as error:
                yield f"the cells of the journal: {error}"
            waiting = scan(connection, folder, file).entries
            yield from _unfitting(connection, waiting)
    except CorruptState as error:
        yield str(error)
    else:
        if waiting:
            notes.append(
                f"{len(waiting)} acknowledged writes are in the journal alone; the next start puts them into rows"
            )


def _unfitting(connection: apsw.Connection, entries: Sequence[Entry]) -> Iterator[str]:
    heads = connection.execute("SELECT id, h.version FROM networks JOIN heads AS h ON h.network = ordinal")
    current = {str(identity): int(version) for identity, version in heads}
    for entry in entries:
        if current.get(entry.network) != entry.expected:
            yield f"version {entry.made.version} of network {entry.network} is in the journal, and the one before it is not there"
        current[entry.network] = entry.made.version
