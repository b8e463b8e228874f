"""A consistent copy of a store, straight from its files, while a server writes to it or not.

The copy is the store as it was at one moment: SQLite's own backup of one snapshot of the rows, and the slot files that
these rows hold. Each of those is locked before it is copied (a server that runs writes to no slot that another process
has locked) and checked against its digest; one that was overwritten before it was locked means another attempt. The copy
gets its name when all of it is on disk and has been found sound.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import apsw
import xxhash

from service.errors import CorruptState, StorageFull, StorageUnavailable
from service.storage.connections import open_copy, open_reader
from service.storage.doctor import Report, examine
from service.storage.faults import meaning
from service.storage.journal.arena import is_cell
from service.storage.journal.copying import copy_journal
from service.storage.journal.file import NAME
from service.storage.journal.looking import opened
from service.storage.pieces import Piece, has_journal, pieces
from service.storage.slots import sync_folder

__all__ = ["copy_store"]

_ATTEMPTS: Final = 20
_CHUNK: Final = 2**20
_NOT_COPIED: Final = ("gradwire.db*", "slots", NAME, "lock", "*.lock", "*.new", ".*")
"""What is copied in a way of its own, and what belongs to a process."""


def copy_store(folder: Path, destination: Path) -> Report:
    """Copy the store of `folder` to `destination`, which is missing or empty, and give what was found in the copy.

    Raises:
        StorageUnavailable: there is no store, or no place for the copy. CorruptState: the store is damaged; the
        message names the first fault. StorageFull: no room. Whatever it raises, there is no copy.
    """
    if not (folder / "gradwire.db").is_file():
        raise StorageUnavailable(f"there is no store in {folder}")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise StorageUnavailable(f"{destination} is there already, and is not an empty folder")
    with _speaking(folder), _in_the_making(destination) as partial:
        _copy(folder, partial)
        report = examine(partial)
        if report.faults:
            raise CorruptState(report.faults[0])
        _sync_all(partial)
        partial.replace(destination)
        sync_folder(destination.parent)
    report.folder = destination
    return report


def _copy(folder: Path, partial: Path) -> None:
    failed = None
    for _ in range(_ATTEMPTS):
        before, failed = failed, _attempt(folder, partial)
        if failed is None:
            return
        if failed == before:  # a row holds it still, so that nobody has overwritten it
            raise CorruptState(failed)
    raise StorageUnavailable(f"the large states in {folder} change faster than they can be locked")


def _attempt(folder: Path, partial: Path) -> str | None:
    """Copy one moment of the store; what kept that from being done, if it was overwritten before it was locked."""
    for leftover in partial.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    (partial / "slots").mkdir()
    with ExitStack() as held:
        journal = held.enter_context(opened(folder))
        if journal is not None:
            journal.hold()  # from now on no page is used again, so that what the rows name stays
        source = open_reader(folder / "gradwire.db")
        held.callback(source.close)
        source.execute("BEGIN")
        files: dict[Piece, BinaryIO] = {}
        cells: list[Piece] = []
        for piece in [piece for piece in pieces(source) if piece.slot is not None]:
            if is_cell(piece.slot or 0):
                cells.append(piece)
                continue
            file = _locked(folder / "slots", piece, held)
            if file is None:
                return _lost(piece)
            files[piece] = file
        if has_journal(source):
            try:
                copy_journal(source, folder, journal, partial, cells)
            except CorruptState as error:
                return str(error)
        _copy_rows(source, partial / "gradwire.db")
        for piece, file in files.items():
            if not _copy_slot(file, partial / "slots" / f"{piece.slot:08d}.slot", piece):
                return _lost(piece)
        shutil.copytree(folder, partial, ignore=shutil.ignore_patterns(*_NOT_COPIED), dirs_exist_ok=True)
        return None


def _lost(piece: Piece) -> str:
    return f"the slot of {piece.what} is missing, or not what was written"


def _locked(slots: Path, piece: Piece, held: ExitStack) -> BinaryIO | None:
    """The slot of a piece, open, which nobody overwrites while it is; None if somebody does."""
    try:
        file = held.enter_context((slots / f"{piece.slot:08d}.slot").open("rb"))
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):
        return None
    return file


def _copy_rows(source: apsw.Connection, path: Path) -> None:
    copy = open_copy(path)
    try:
        with copy.backup("main", source, "main") as backup:
            backup.step(-1)
        copy.pragma("journal_mode", "delete")  # one file, which a read-only disk will do for; a start changes it back
    except apsw.Error as error:
        raise meaning(error, copy) or error from error
    finally:
        copy.close()


def _copy_slot(file: BinaryIO, path: Path, piece: Piece) -> bool:
    """Copy a slot whole; False if its bytes are not those of the piece."""
    digest, left = xxhash.xxh3_128(), piece.nbytes
    with path.open("wb") as copy:
        while chunk := file.read(_CHUNK):
            digest.update(chunk[:left])
            left -= min(left, len(chunk))
            copy.write(chunk)
    return left == 0 and digest.digest() == piece.digest


def _sync_all(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file)
        else:
            sync_folder(path)
    sync_folder(folder)


@contextmanager
def _in_the_making(destination: Path) -> Iterator[Path]:
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # where it has its name, there is nothing of this one left


@contextmanager
def _speaking(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, shutil.Error, apsw.Error, StorageFull, CorruptState) as error:
        found = meaning(error)
        if isinstance(found, StorageFull):
            raise StorageFull("the disk is full; there is no copy") from error
        if isinstance(found, CorruptState):
            raise CorruptState(f"{folder} is damaged, so there is no copy: {found}") from error
        raise StorageUnavailable(f"{folder} cannot be copied: {found or error}") from error
