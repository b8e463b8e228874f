"""The stores that there are, by name: each opens a folder with the limits that a test asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.storage.sqlite import SqliteStore


def inline(folder: Path, **limits: Any) -> SqliteStore:
    """States in rows."""
    return SqliteStore(folder, **limits)


def slots(folder: Path, **limits: Any) -> SqliteStore:
    """States in slot files, however small."""
    return SqliteStore(folder, inline_bytes=0, **limits)
