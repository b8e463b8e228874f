"""Every run of steps in a store at rest, for whoever computes them again; nothing is written."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from service.errors import CorruptState
from service.storage import rows
from service.storage.base import NetworkRecord, Trail
from service.storage.connections import open_reader, tidy
from service.storage.journal.arena import is_cell
from service.storage.journal.file import JournalFile
from service.storage.journal.looking import content_of, opened
from service.storage.lock import unowned
from service.storage.numbers import Numbers
from service.storage.pieces import has_steps
from service.storage.slots import Owner

__all__ = ["chains"]

_ENDS: Final = """
    SELECT id, s.version FROM snapshots AS s JOIN networks ON ordinal = s.network JOIN heads AS h ON h.network = ordinal
    WHERE recorded AND s.version >= kept_from AND NOT EXISTS (
        SELECT 1 FROM snapshots AS n WHERE n.network = s.network AND n.version = s.version + 1 AND n.recorded)
    ORDER BY ordinal, s.version
"""


def chains(folder: Path) -> Iterator[tuple[NetworkRecord, Trail]]:
    """The last version of each run of steps, as its network's record, and the way to it.

    Raises:
        StorageUnavailable: a process owns the store. CorruptState: something on the way is damaged.
    """
    database = folder / "gradwire.db"
    with unowned(folder), tidy(database), opened(folder) as journal:
        connection = open_reader(database)
        try:
            numbers = Numbers(lambda read: read(connection), partial(_slot, folder / "slots", journal))
            ends: list[Any] = connection.execute(_ENDS).fetchall() if has_steps(connection) else []
            for identity, version in ends:
                record = rows.network(connection, identity)
                yield replace(record, version=version), numbers.trail(identity, version)
        finally:
            connection.close()


def _slot(slots: Path, journal: JournalFile | None, number: int, owner: Owner, nbytes: int) -> memoryview:
    if is_cell(number):
        return memoryview(content_of(journal, number, nbytes, f"version {owner[1]} of network {owner[0]}"))
    path = slots / f"{number:08d}.slot"
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), nbytes, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise CorruptState(
            f"version {owner[1]} of network {owner[0]} cannot be read from {path.name}: {error}"
        ) from error
