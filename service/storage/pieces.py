"""Everything that the database keeps under a digest, wherever its bytes are: one list for whoever checks or copies it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import apsw
import xxhash

from service.errors import CorruptState
from service.storage.encoding import decode

__all__ = ["Piece", "content", "pieces", "tables"]

_STATES: Final = """
    SELECT id, version, nbytes, digest, slot, content
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
    """The slot file that they are in; otherwise they are in a row of `table`, `row`."""
    table: str
    row: int
    version: tuple[str, int] | None = None
    """The network and version whose numbers they are, if they are."""

    def check(self, data: bytes | memoryview) -> None:
        """Return if `data` is what was written. Raises `CorruptState`."""
        if self.version is not None:
            decode(data, self.digest, *self.version)
        elif xxhash.xxh3_128(data).digest() != self.digest:
            raise CorruptState(f"{self.what} is not what was written: its digest differs")


def pieces(connection: apsw.Connection) -> Iterator[Piece]:
    """Every piece, without its bytes; older forms of the database have fewer kinds."""
    for identity, version, nbytes, digest, slot, row in connection.execute(_STATES):
        network = identity or "unknown"
        what = f"version {version} of network {network}"
        yield Piece(what, nbytes, digest, slot, "contents", row or 0, (network, version))
    if "job_parts" in tables(connection):
        for identity, part, nbytes, digest, slot, row in connection.execute(_PARTS):
            yield Piece(f"{_PART_NAMES[part]} of job {identity or 'unknown'}", nbytes, digest, slot, "job_parts", row)


def content(connection: apsw.Connection, piece: Piece) -> bytes:
    """The bytes of a piece that is in a row. Raises `CorruptState` where there is no such row."""
    found = connection.execute(f"SELECT bytes FROM {piece.table} WHERE rowid = ?", (piece.row,)).get  # noqa: S608  from above
    if not isinstance(found, bytes):
        raise CorruptState(f"the bytes of {piece.what} are missing")
    return found


def tables(connection: apsw.Connection) -> set[str]:
    """The tables that this form of the database has."""
    return {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
