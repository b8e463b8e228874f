"""The write-ahead log as a crash left it: put on disk before anybody reads it, and looked at for writes that are lost.

What a process wrote and had no time to sync is in memory when the next one opens the log, and SQLite goes by it. Whoever
were told of it (the first answer, to a retry) would have been told of what a loss of power takes away; hence `settle`.

Recovery ends at the first frame that is not what was written. After a crash that is the end of the log: whatever follows
was never acknowledged. After damage it may be the middle, and SQLite says nothing. The two can be told apart: a
commit is synced before the next one begins, so a whole commit with more frames after it, all of this log, had been
on disk. (Damage in the very last commit looks like a crash in the middle of it, and cannot be told from one.)
"""

from __future__ import annotations

import os
import struct
from operator import eq
from pathlib import Path
from typing import Final

import apsw

from service.storage.faults import SyncError

__all__ = ["lost_writes", "pages", "recovered_frames", "settle"]

_HEADER: Final = struct.Struct(">8I")  # magic, format, page size, sequence, salts, checksum
_FRAME: Final = struct.Struct(">6I")  # page, pages after a commit or 0, salts, checksum
_MAGIC: Final = 0x377F0682
_CHUNK: Final = 4 * 1024 * 1024

Frame = tuple[int, int, tuple[int, int]]
"""Page number, whether it ends a commit, salts."""


def settle(path: Path) -> None:
    """Put the log at `path`, if there is one, on disk as it is read now; call it before SQLite opens the database.

    It is written once more, not only synced: what a sync failed to put on disk is in memory as if it had been, and no
    later sync would write it.

    Raises:
        OSError: the device failed, or there is no room.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        offset = 0
        while piece := os.pread(descriptor, _CHUNK, offset):
            offset += os.pwrite(descriptor, piece, offset)
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            raise SyncError(error.errno, error.strerror) from error
    finally:
        os.close(descriptor)


def recovered_frames(connection: apsw.Connection) -> int:
    """How many frames of the log this connection goes by; nothing is written."""
    connection.execute("SELECT count(*) FROM sqlite_schema").get  # noqa: B018  a read, so that the log has been recovered
    frames, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    return max(int(frames), 0)


def lost_writes(path: Path, recovered: int) -> str | None:
    """What is wrong with the log at `path`, of which SQLite goes by the first frames; None if nothing is.

    Call it before anything is written, or the log begins anew and nobody can tell.
    """
    salts, frames = _frames(path)
    if not frames:
        return None
    if salts is None:
        salts, recovered = frames[0][2], 0
        what = "the header of the write-ahead log is damaged"
    else:
        what = f"the write-ahead log is damaged in the commit that begins at frame {recovered + 1}"
    # An older log's frame has neither salt; one of this log may be the damaged one, and still has the other.
    ours = [at for at in range(recovered, len(frames)) if any(map(eq, frames[at][2], salts))]
    commits = [at for at in ours if frames[at][1]]
    if not commits or ours[-1] == commits[0]:
        return None
    return f"{what}, and acknowledged writes after it are lost"


def pages(path: Path, recovered: int) -> set[int]:
    """The pages whose newest contents are in the log and not in the database."""
    _, frames = _frames(path)
    return {page for page, _, _ in frames[:recovered]}


def _frames(path: Path) -> tuple[tuple[int, int] | None, list[Frame]]:
    """The salts of the log (None where its header is damaged) and all frames that there ever were room for."""
    try:
        with path.open("rb", buffering=0) as log:
            head = log.read(_HEADER.size)
            if len(head) < _HEADER.size or not any(head):
                return None, []
            magic, _, size, _, *rest = _HEADER.unpack(head)
            whole = magic & ~1 == _MAGIC and _checksum(head[:24], magic) == tuple(rest[2:])
            size = size if whole else _page_size(path)
            found: list[Frame] = []
            while len(frame := log.read(_FRAME.size)) == _FRAME.size:
                page, commit, one, other, _, _ = _FRAME.unpack(frame)
                found.append((page, commit, (one, other)))
                log.seek(size, 1)
            room = (path.stat().st_size - _HEADER.size) // (_FRAME.size + size)
            return (rest[0], rest[1]) if whole else None, found[:room]
    except FileNotFoundError:
        return None, []


def _checksum(data: bytes, magic: int) -> tuple[int, int]:
    one = other = 0
    words = struct.unpack(f"{'>' if magic & 1 else '<'}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + other) & 0xFFFFFFFF
        other = (other + second + one) & 0xFFFFFFFF
    return one, other


def _page_size(log: Path) -> int:
    """Of the database beside the log."""
    with log.with_name(log.name.removesuffix("-wal")).open("rb") as database:
        size = int.from_bytes(database.read(18)[16:], "big")
    return 65536 if size == 1 else max(size, 512)
