"""Everything that the database keeps under a digest, wherever its bytes are: one list for whoever checks or copies it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import apsw
import xxhash

from service.errors import CorruptState
from service.storage.encoding import decode
from service.storage.steps import decode_step

__all__ = ["Piece", "content", "has_journal", "has_steps", "pieces", "tables"]

_VERSIONS: Final = """
    SELECT id, version, nbytes, digest, slot, content, {recorded}
    FROM snapshots LEFT JOIN networks ON ordinal = network ORDER BY network, version
"""
_PARTS: Final = """
    SELECT id, part, nbytes, digest, slot, job_parts.rowid
    FROM job_parts LEFT JOIN jobs ON ordinal = job ORDER BY job, part
"""
_PART_NAMES: Final = ("the request", "the result")


@dataclass(frozen=True)
class Piece:
    """Bytes that a row answers for."""

    what: str
    """What they are, for a sentence."""
    nbytes: int
    digest: bytes
    slot: int | None
    """The slot file or the cell that they are in; otherwise they are in a row of `table`, `row`."""
    table: str
    row: int
    version: tuple[str, int] | None = None
    """The network and version that they are, if they are one."""
    recorded: bool = False
    """Whether they are the step that makes that version."""

    def check(self, data: bytes | memoryview) -> Mapping[str, str] | None:
        """Return if `data` is what was written; of a step, what computed it. Raises `CorruptState`."""
        if self.version is not None and self.recorded:
            return decode_step(data, self.digest, *self.version).numerics
        if self.version is not None:
            decode(data, self.digest, *self.version)
        elif xxhash.xxh3_128(data).digest() != self.digest:
            raise CorruptState(f"{self.what} is not what was written: its digest differs")
        return None


def pieces(connection: apsw.Connection) -> Iterator[Piece]:
    """Every piece, without its bytes; older forms of the database have fewer kinds."""
    query = _VERSIONS.format(recorded="recorded" if has_steps(connection) else "0")
    for identity, version, nbytes, digest, slot, row, recorded in connection.execute(query):
        network = identity or "unknown"
        what = f"version {version} of network {network}"
        yield Piece(what, nbytes, digest, slot, "contents", row or 0, (network, version), bool(recorded))
    if "job_parts" in tables(connection):
        for identity, part, nbytes, digest, slot, row in connection.execute(_PARTS):
            yield Piece(f"{_PART_NAMES[part]} of job {identity or 'unknown'}", nbytes, digest, slot, "job_parts", row)


def content(connection: apsw.Connection, piece: Piece) -> bytes:
    """The bytes of a piece that is in a row. Raises `CorruptState` where there is no such row."""
    found = connection.execute(f"SELECT bytes FROM {piece.table} WHERE rowid = ?", (piece.row,)).get  # noqa: S608  from above
    if not isinstance(found, bytes):
        raise CorruptState(f"the bytes of {piece.what} are missing")
    return found


def has_steps(connection: apsw.Connection) -> bool:
    """Whether this form of the database can keep versions as steps."""
    columns = connection.execute("SELECT name FROM pragma_table_info('snapshots')")
    return ("recorded",) in columns.fetchall()


def has_journal(connection: apsw.Connection) -> bool:
    """Whether this form of the database goes with a journal."""
    return "journal" in tables(connection)


def tables(connection: apsw.Connection) -> set[str]:
    """The tables that this form of the database has."""
    return {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
