"""The quick look at a database that a start takes: whatever it finds wrong stops the start, before anything is written.

It takes two seconds at most. The bytes of states and of jobs are left out: each is checked against its digest when it is read, and
damage to one network's numbers is no reason to refuse all the others.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import apsw

from service.errors import StorageUnavailable
from service.storage import wal
from service.storage.faults import meaning

__all__ = ["damaged", "require_sound"]

_PATIENCE: Final = 2.0
_STEPS: Final = 10_000  # of SQLite's machine between two looks at the clock
_CHECKED_WHEN_READ: Final = ("contents", "job_parts")
_GROWING: Final = ("versions", "receipts")


def require_sound(connection: apsw.Connection, path: Path) -> None:
    """Return if nothing is found to be wrong with the database at `path` in a short time; its log may then be emptied.

    Raises:
        StorageUnavailable: the log lost writes, or a table is damaged; the message names it.
    """
    lost = wal.lost_writes(path.with_name(f"{path.name}-wal"), wal.recovered_frames(connection))
    if lost is not None:
        raise damaged(path, lost)
    tables = _tables(connection, path)
    deadline = time.monotonic() + _PATIENCE
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        for table in tables:
            _look_through(connection, path, table)
    except apsw.InterruptError:
        pass  # what there was no time for is checked when it is read, page by page
    finally:
        connection.set_progress_handler(None)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)


def _look_through(connection: apsw.Connection, path: Path, table: str) -> None:
    try:
        found = connection.execute(f'PRAGMA quick_check("{table}")').fetchall()
    except apsw.InterruptError:
        raise
    except apsw.Error as error:
        raise damaged(path, f"table {table}: {meaning(error, connection) or error}") from error
    if found != [("ok",)]:
        raise damaged(path, f"table {table}: {' '.join(str(found[0][0]).split())}")


def _tables(connection: apsw.Connection, path: Path) -> list[str]:
    try:
        rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        names = [str(name) for (name,) in rows]
    except apsw.Error as error:
        raise damaged(path, f"the list of tables: {meaning(error, connection) or error}") from error
    last = [name for name in _GROWING if name in names]
    return [name for name in names if name not in {*last, *_CHECKED_WHEN_READ}] + last


def damaged(path: Path, what: str) -> StorageUnavailable:
    """The start does not happen, because of this; in one line."""
    hint = f"`gradwire doctor --data {path.parent}` says more, docs/operations.md what can be done"
    return StorageUnavailable(f"{path} is damaged ({what}); {hint}")
