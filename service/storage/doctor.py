"""`gradwire doctor`: everything in a store that is at rest, looked at to the last byte; nothing is written or repaired."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

import apsw

from service.errors import CorruptState, StorageUnavailable
from service.storage import wal
from service.storage.connections import open_reader, tidy
from service.storage.faults import meaning
from service.storage.journal.arena import is_cell
from service.storage.journal.looking import content_of, look_at_journal, opened
from service.storage.lock import unowned
from service.storage.pieces import Piece, content, has_journal, has_steps, pieces
from service.storage.schema import APPLICATION_ID, MIGRATIONS

__all__ = ["Report", "examine"]

_RESERVED: Final = 8
_FIRST: Final = 50
"""So many faults of one kind are told; what is more is counted."""
_MISSING: Final = """
    SELECT id, h.version FROM networks JOIN heads AS h ON h.network = ordinal
    WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE t.network = ordinal AND t.version = h.version)
"""
_TOO_NEW: Final = """
    SELECT id, v.version FROM networks JOIN heads AS h ON h.network = ordinal JOIN versions AS v ON v.network = ordinal
    WHERE v.version > h.version
"""
_SUMMARIES: Final = """
    SELECT id, version FROM versions JOIN networks ON ordinal = network WHERE NOT json_valid(summary)
"""
_UNUSED: Final = "SELECT id FROM contents WHERE id NOT IN (SELECT content FROM snapshots WHERE content IS NOT NULL)"
_RULES: Final = (
    ("SELECT id FROM networks WHERE ordinal NOT IN (SELECT network FROM heads)", "network {0} has no current version"),
    (_MISSING.format(table="snapshots"), "the numbers of version {1} of network {0}, its current one, are missing"),
    (_MISSING.format(table="versions"), "version {1} of network {0}, its current one, is missing from its list"),
    (_TOO_NEW, "version {1} of network {0} is newer than its current one"),
    (_UNUSED, "row {0} of table contents holds numbers of no version"),
    ("SELECT id FROM networks WHERE NOT json_valid(spec)", "the description of network {0} is no JSON"),
    (_SUMMARIES, "the summary of version {1} of network {0} is no JSON"),
    ("SELECT scope, key FROM receipts WHERE NOT json_valid(body)", "the receipt {1!r} of {0} is no JSON"),
)
_RULES_OF_STEPS: Final = (
    (
        """
        SELECT id, version FROM snapshots AS s JOIN networks ON ordinal = network WHERE recorded AND NOT EXISTS (
            SELECT 1 FROM snapshots AS b WHERE b.network = s.network AND b.version = s.version - 1)
        """,
        "what the step to version {1} of network {0} starts from is missing",
    ),
    (
        """
        SELECT id, version FROM snapshots AS s JOIN networks ON ordinal = network WHERE recorded AND EXISTS (
            SELECT 1 FROM checkpoints AS c WHERE c.network = s.network AND c.version = s.version)
        """,
        "version {1} of network {0} has a name and is not kept whole",
    ),
)


@dataclass
class Report:
    """What was found: `faults` is empty where the store is sound."""

    folder: Path
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    networks: int = 0
    pieces: int = 0
    nbytes: int = 0
    numerics: list[Mapping[str, str]] = field(default_factory=list)
    """What computed the steps that versions are kept as; a set of names and versions once."""

    def summary(self) -> str:
        """One line."""
        checked = f"{self.networks} networks, {self.pieces} digests over {self.nbytes} bytes"
        if not self.faults:
            return f"{self.folder} is sound: {checked}"
        return f"{self.folder} is damaged: {len(self.faults)} faults ({checked} checked); nothing was changed"


def examine(folder: Path) -> Report:
    """Look at everything in the store of a folder.

    Raises:
        StorageUnavailable: there is no store, a process owns it, or it was written by a newer release.
    """
    database = folder / "gradwire.db"
    if not database.is_file():
        raise StorageUnavailable(f"there is no store in {folder}")
    report = Report(folder)
    with unowned(folder), tidy(database), _finding(report, "the database"):
        connection = open_reader(database)
        try:
            _examine(connection, database, report)
        finally:
            connection.close()
    return report


def _examine(connection: apsw.Connection, database: Path, report: Report) -> None:
    form = int(connection.pragma("user_version"))
    if int(connection.pragma("application_id")) != APPLICATION_ID:
        raise StorageUnavailable(f"{database} is not a store of this service")
    if form > len(MIGRATIONS):
        raise StorageUnavailable(f"{database} was written by a newer release: ask that one's doctor")
    if form < len(MIGRATIONS):
        report.notes.append(f"form {form} of the tables; the next start brings them to form {len(MIGRATIONS)}")
    recovered = wal.recovered_frames(connection)
    log = database.with_name(f"{database.name}-wal")
    lost = wal.lost_writes(log, recovered)
    report.faults += [lost] if lost is not None else []
    rules = (*_RULES, *(_RULES_OF_STEPS if has_steps(connection) else ()))
    looks: tuple[tuple[str, Callable[[], Iterable[str]]], ...] = (
        ("the pages", lambda: _pages(connection, database, wal.pages(log, recovered))),
        ("the database", lambda: _database(connection)),
        ("the rows", lambda: chain.from_iterable(_rule(connection, *rule) for rule in rules)),
        (
            "the journal",
            lambda: look_at_journal(connection, report.folder, report.notes) if has_journal(connection) else (),
        ),
        ("the numbers", lambda: _pieces(connection, report)),
    )
    for what, look in looks:
        with _finding(report, what):
            report.faults += _first(look())
    with _finding(report, "the slots"):
        _note_files(connection, report)
    with _finding(report, "the networks"):
        report.networks = int(connection.execute("SELECT count(*) FROM networks").get)


def _pages(connection: apsw.Connection, database: Path, newer: set[int]) -> Iterator[str]:
    """Pages of the file that are not what was written, those that are in no use too."""
    with database.open("rb") as file:
        head = file.read(100)
        size = int.from_bytes(head[16:18], "big")
        size = 65536 if size == 1 else size
        if size < 512 or head[20] != _RESERVED:
            yield "the first page of the database is not the one that was written"
            return
        file.seek(0)
        for number in range(1, database.stat().st_size // size + 1):
            page = file.read(size)
            if number not in newer and not connection.execute("SELECT verify_checksum(?)", (page,)).get:
                yield f"page {number} of the database is not the one that was written: its checksum differs"


def _database(connection: apsw.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"the database: {' '.join(str(line).split())}"
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"a row of table {table} ({row or 'without a number'}) belongs to a row of {parent} that is not there"


def _rule(connection: apsw.Connection, query: str, sentence: str) -> Iterator[str]:
    return (sentence.format(*row) for row in connection.execute(query))


def _pieces(connection: apsw.Connection, report: Report) -> Iterator[str]:
    with opened(report.folder) as journal:
        for piece in list(pieces(connection)):
            try:
                if piece.slot is None:
                    computed_by = piece.check(content(connection, piece))
                elif is_cell(piece.slot):
                    computed_by = piece.check(content_of(journal, piece.slot, piece.nbytes, piece.what))
                else:
                    computed_by = _check_slot(report.folder / "slots", piece)
            except CorruptState as error:
                yield str(error)
            except apsw.Error as error:
                yield f"{piece.what} cannot be read: {meaning(error, connection) or error}"
            else:
                report.pieces += 1
                report.nbytes += piece.nbytes
                if computed_by is not None and computed_by not in report.numerics:
                    report.numerics.append(computed_by)


def _check_slot(slots: Path, piece: Piece) -> Mapping[str, str] | None:
    path = slots / f"{piece.slot:08d}.slot"
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), piece.nbytes, access=mmap.ACCESS_READ) as mapping,
            memoryview(mapping) as data,
        ):
            return piece.check(data)
    except (OSError, ValueError) as error:
        raise CorruptState(f"{piece.what} cannot be read from {path.name}: {error}") from error


def _note_files(connection: apsw.Connection, report: Report) -> None:
    slots = (piece.slot for piece in pieces(connection) if piece.slot is not None)
    held = {f"{slot:08d}.slot" for slot in slots if not is_cell(slot)}
    found = {path.name: path for path in (report.folder / "slots").glob("*")}
    free = [path for name, path in found.items() if name not in held and path.suffix == ".slot"]
    if free:
        report.notes.append(f"{len(free)} free slot files, {sum(path.stat().st_size for path in free)} bytes")
    for name in sorted(found.keys() - held - {path.name for path in free}):
        report.notes.append(f"slots/{name} is no file of the store")


def _first(faults: Iterable[str]) -> list[str]:
    told: list[str] = []
    more = 0
    for fault in faults:
        if len(told) < _FIRST:
            told.append(fault)
        else:
            more += 1
    return [*told, f"and {more} more of these"] if more else told


@contextmanager
def _finding(report: Report, what: str) -> Iterator[None]:
    """Whatever ends a look is a fault itself."""
    try:
        yield
    except (apsw.Error, OSError, CorruptState) as error:
        report.faults.append(f"{what} cannot be read to the end: {meaning(error) or error}")
