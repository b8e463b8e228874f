"""The stores that there are, by name: each opens a folder with the limits that a test asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.storage.retention import Retention
from service.storage.sqlite import SqliteStore
from tests.contracts.logged_store import LoggedStore

RETENTION = {
    "keep_versions": "versions",
    "keep_bytes": "nbytes",
    "keep_history": "history",
    "keep_receipts": "receipts",
    "max_checkpoints": "checkpoints",
}
"""A limit by the name of its setting, and what the store calls it."""


def inline(folder: Path, kind: type[SqliteStore] = SqliteStore, **limits: Any) -> SqliteStore:
    """States in rows."""
    kept = Retention(**{RETENTION[name]: limits.pop(name) for name in RETENTION.keys() & limits.keys()})
    return kind(folder, retention=kept, **limits)


def slots(folder: Path, **limits: Any) -> SqliteStore:
    """States in slot files, however small."""
    return inline(folder, inline_bytes=0, **limits)


def replay(folder: Path, **limits: Any) -> SqliteStore:
    """Two versions of three as steps, in rows and, from 1000 bytes on, in slot files."""
    return inline(folder, LoggedStore, inline_bytes=1000, **limits)


def unsynced(folder: Path, **limits: Any) -> SqliteStore:
    """States in rows, and no step waits for the disk."""
    return inline(folder, sync=False, **limits)


def unsynced_slots(folder: Path, **limits: Any) -> SqliteStore:
    """States in slot files, in a store without sync."""
    return slots(folder, sync=False, **limits)
