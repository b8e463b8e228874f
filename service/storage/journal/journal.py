"""Commits are acknowledged once they are in the journal; their rows follow, many in one transaction.

Invariant: the frames in the window that the rows name, after the number that they name, are acknowledged writes that are in
no row, each frame whole with its cells or not there at all. A frame is written when the one before it is on disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw
import orjson

from service.errors import IdempotencyMismatch
from service.storage.encoding import Buffer, Encoded
from service.storage.journal import frames
from service.storage.journal.arena import Arena, Run, cell, place_of
from service.storage.journal.commits import Commit, Entry, pack
from service.storage.journal.file import WrittenFile
from service.storage.journal.frames import PAGE
from service.storage.journal.pending import Pending
from service.storage.journal.recovery import Found
from service.storage.transactions import Kept, head, refuse_used_key, require_expected

__all__ = ["Full", "Journal"]

_INLINE: Final = PAGE
"""Up to so many bytes are in the frame, and then in a row; more are in a cell."""
_COMMITS: Final = 512
"""So many commits wait for their rows at most."""


class Full(Exception):
    """The window has no room for a frame of so many pages."""

    def __init__(self, pages: int) -> None:
        super().__init__(pages)
        self.pages = pages


@dataclass(frozen=True)
class _Room:
    file: WrittenFile
    arena: Arena


@dataclass(frozen=True)
class _Staged:
    commit: Commit
    encoded: Encoded
    packed: frames.Entry
    run: Run | None
    """Of its cell, counted from the page behind the frame."""


class Journal:
    """It belongs to the writer, but for `pending` and `read`.

    Args:
        folder: the store's.
        connection: the one that writes.
        used: the cells that rows hold.
        file: the one that is there; where there is none, it is made for the first commit.
        left: what is in it and in no row.
        sync: whether what is written is on disk before anybody is told; otherwise it is before its rows are made.
    """

    def __init__(
        self,
        folder: Path,
        connection: apsw.Connection,
        used: Iterable[int] = (),
        file: WrittenFile | None = None,
        left: Found | None = None,
        *,
        sync: bool = True,
    ) -> None:
        self._folder = folder
        self._connection = connection
        left = left or Found(0, (), (), ())
        self._frames: list[Run] = list(left.frames)
        waiting = [entry.kept.slot for entry in left.entries if entry.kept.slot is not None]
        used = [*used, *waiting, *map(cell, self._frames)]
        self._room = None if file is None else _Room(file, Arena(file, used))
        self._sync = sync
        self._is_synced = True
        self._epoch = self._drawn = 0
        self._number = left.number
        self._staged: list[_Staged] = []
        self._bytes = self._pages = 0
        self._heads: dict[str, int] = {}
        self._keys: set[tuple[str, str]] = set()
        self.pending = Pending()
        self.pending.add(left.entries)

    @property
    def is_due(self) -> bool:
        """Whether enough waits for its rows."""
        return len(self.pending.entries) >= _COMMITS

    def stage(self, commit: Commit) -> None:
        """Make a commit part of the next frame.

        Raises:
            ServiceError: it is refused. Full: there is no room now. TypeError: arrays that are not kept.
        """
        self._refuse(commit)
        encoded = commit.encode()
        run = None if encoded.nbytes <= _INLINE else (self._pages, frames.pages(encoded.nbytes))
        packed = pack(commit, encoded, run)
        own, its = frames.entry_size(*packed), 0 if run is None else run[1]
        nbytes, pages = self._bytes + own, self._pages + its
        if self._room is None or not self._room.arena.fits(frames.frame_pages(nbytes) + pages):
            raise Full(frames.frame_pages(own) + its)
        self._bytes, self._pages = nbytes, pages
        self._staged.append(_Staged(commit, encoded, packed, run))
        self._heads[commit.network] = commit.made.version
        if commit.receipt is not None:
            self._keys.add((commit.receipt.scope, commit.receipt.key))

    def write(self) -> None:
        """Put what was staged on disk; from then on it is pending.

        Raises:
            OSError: nothing has happened, unless it is a `SyncError`; what was written is in no window any more.
        """
        frame = frames.pack(self._epoch, self._number + 1, [each.packed for each in self._staged])
        own = len(frame) // PAGE
        start = None if self._room is None else self._room.arena.take(own + self._pages)
        if self._room is None or start is None:
            raise RuntimeError("what was staged has no room, though room was found for it")
        pieces: list[Buffer] = [frame]
        for each in self._staged:
            if each.run is not None:
                pieces += [*each.encoded.pieces, bytes(-each.encoded.nbytes % PAGE)]
        try:
            self._room.file.write(start, pieces)
        except OSError:
            # At a start, a frame that is not whole is the end: none may follow it under this epoch.
            self._room.arena.give([(start, own + self._pages)])
            self._room.arena.close_window()
            raise
        self._is_synced = False
        if self._sync:
            self._synced(self._room.file)
        self._number += 1
        self._frames.append((start, own))
        self.pending.add(_entry(each, start + own) for each in self._staged)
        self.abandon()

    def abandon(self) -> None:
        """Nothing is staged any more."""
        self._staged, self._bytes, self._pages = [], 0, 0
        self._heads.clear()
        self._keys.clear()

    def open_window(self, pages: int) -> bool:
        """Where the next frames go, when nothing is pending: so many pages in a row at least. False: the disk is full.

        Raises:
            OSError, apsw.Error: nothing has happened, unless it is a `SyncError`.
        """
        if self._room is None:
            file = WrittenFile.create(self._folder)
            self._room = _Room(file, Arena(file, ()))
        if not self._room.arena.open_window(pages):
            return False
        try:
            self.renew(self._connection)
        except apsw.Error:
            self._room.arena.close_window()  # the rows do not name it
            raise
        self.renewed()
        return True

    def renew(self, connection: apsw.Connection) -> None:
        """Part of each change of rows that is not what was pending: frames that follow count under another epoch.

        Whoever sees the rows as they were before it (a backup) sees none of those frames, which may build on it.
        """
        if self._room is None or not self._room.arena.window:
            return
        self._drawn = frames.draw_epoch(secrets.randbits(62), sync=self._sync)
        connection.execute(
            "UPDATE journal SET epoch = ?, number = 0, runs = ?",
            (self._drawn, orjson.dumps(self._room.arena.window).decode()),
        )

    def renewed(self) -> None:
        """The change is on disk."""
        if self._room is not None and self._room.arena.window:
            self._epoch, self._number = self._drawn, 0

    def flush(self, _connection: apsw.Connection) -> Sequence[int]:
        """The change that goes before those rows, which are on disk no sooner than what they name."""
        if not self._is_synced and self._room is not None:
            self._synced(self._room.file)
        return ()

    def mark(self, connection: apsw.Connection) -> Sequence[int]:
        """The change that goes with the rows of all that is pending."""
        window = () if self._room is None else self._room.arena.window
        connection.execute("UPDATE journal SET number = ?, runs = ?", (self._number, orjson.dumps(window).decode()))
        return ()

    def clear(self) -> None:
        """All that was pending is in rows, and they are on disk."""
        self.pending.clear()
        if self._room is not None:
            self._room.arena.give(self._frames)
        self._frames = []

    def read(self, slot: int, nbytes: int) -> bytes:
        """The bytes in a cell; no others are in their place unless its row has gone."""
        return b"" if self._room is None else self._room.file.read(place_of(slot)[0], nbytes)

    def give(self, slots: Iterable[int]) -> None:
        """No row holds these cells any more."""
        if self._room is not None:
            self._room.arena.give(map(place_of, slots))

    def cut(self) -> None:
        """Give what is free at the end of the file back to the disk."""
        if self._room is not None:
            self._room.arena.cut()

    def close(self) -> None:
        """Let go of the file."""
        if self._room is not None:
            self._room.file.close()

    def _synced(self, file: WrittenFile) -> None:
        file.sync()
        self._is_synced = True

    def _refuse(self, commit: Commit) -> None:
        newest = self.pending.newest(commit.network)
        version = self._heads.get(commit.network, None if newest is None else newest.made.version)
        if version is None:
            head(self._connection, commit.network, commit.expected)
        else:
            require_expected(commit.network, version, commit.expected)
        if commit.receipt is None:
            return
        of = commit.receipt.scope, commit.receipt.key
        if of in self._keys or self.pending.receipt(*of) is not None:
            raise IdempotencyMismatch("this idempotency key has been used")
        refuse_used_key(self._connection, commit.receipt)


def _entry(staged: _Staged, behind: int) -> Entry:
    commit, run = staged.commit, staged.run
    kept = Kept(staged.encoded, None if run is None else cell((behind + run[0], run[1])))
    return Entry(commit.network, commit.expected, commit.made, commit.receipt, kept, commit.numbers)
