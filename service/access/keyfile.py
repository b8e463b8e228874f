"""The file of keys in the data folder: replaced whole and synced, so that a server that runs sees all of it or none.

    DIR/keys.json   mode 0600; read by the server whenever it has become another file
    DIR/keys.lock   held by whoever changes it

It is apart from the database because one process owns that one, and keys are made and revoked while the server runs.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from service.access.keys import Key, Limits, new_key
from service.errors import NotFound, StorageUnavailable

__all__ = ["KeyFile"]

_FORM: Final = 1


class KeyFile:
    """The keys of one data folder.

    Every method raises `StorageUnavailable` where the file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "keys.json"

    def signature(self) -> tuple[int, int, int] | None:
        """Another one means another content; None: there is no file, so that there was never a key."""
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unusable(error) from error
        return found.st_ino, found.st_mtime_ns, found.st_size

    def read(self) -> Sequence[Key]:
        """All keys, the revoked ones too, in the order in which they were made."""
        try:
            document = json.loads(self._path.read_bytes())
            if document["form"] != _FORM:
                raise ValueError(f"form {document['form']!r} is not known here")
            return [Key.read(one) for one in document["keys"]]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise self._unusable(error) from error

    def create(self, name: str, owner: str, limits: Limits) -> tuple[Key, str]:
        """Add a key; its secret is in this answer and nowhere else."""
        key, secret = new_key(name, owner, limits, _now())
        self._change(lambda keys: [*keys, key])
        return key, secret

    def revoke(self, identity: str) -> Key:
        """End a key; it stays in the list. Raises `NotFound`."""

        def revoked(keys: Sequence[Key]) -> Sequence[Key]:
            if identity not in {key.id for key in keys}:
                raise NotFound(f"there is no key {identity}")
            at = _now()
            return [replace(key, revoked_at=key.revoked_at or at) if key.id == identity else key for key in keys]

        return next(key for key in self._change(revoked) if key.id == identity)

    def _change(self, change: Callable[[Sequence[Key]], Sequence[Key]]) -> Sequence[Key]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _locked(self._folder / "keys.lock"):
                keys = change(self.read())
                self._replace(json.dumps({"form": _FORM, "keys": [key.document() for key in keys]}, indent=1))
        except OSError as error:
            raise self._unusable(error) from error
        return keys

    def _replace(self, text: str) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _unusable(self, error: Exception) -> StorageUnavailable:
        return StorageUnavailable(f"the keys in {self._path} cannot be used: {error}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone with the file; the lock goes with the process that holds it."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
