"""A commit as a frame keeps it: all that its rows need, as a document, and its bytes where they are few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from service.storage.base import NetworkState, Receipt, StepRecord, VersionRecord
from service.storage.encoding import Encoded
from service.storage.journal.arena import Run, cell
from service.storage.transactions import Kept

__all__ = ["Commit", "Entry", "pack", "unpack"]


@dataclass(frozen=True)
class Commit:
    """A version that is to follow `expected`."""

    network: str
    expected: int
    numbers: NetworkState | StepRecord
    made: VersionRecord
    receipt: Receipt | None
    encode: Callable[[], Encoded]
    """Of the numbers."""


@dataclass(frozen=True)
class Entry:
    """A commit that is on disk, and where its bytes are."""

    network: str
    expected: int
    made: VersionRecord
    receipt: Receipt | None
    kept: Kept
    numbers: NetworkState | StepRecord | None = None
    """Not of one that was read back."""


def pack(commit: Commit, encoded: Encoded, run: Run | None) -> tuple[bytes, bytes]:
    """The document, and the bytes of a version without a cell; a cell is counted from the page behind the frame."""
    made, receipt = commit.made, commit.receipt
    document = orjson.dumps(
        [
            commit.network,
            commit.expected,
            [made.version, made.made_by, made.created_at, dict(made.summary)],
            None
            if receipt is None
            else [
                receipt.scope,
                receipt.key,
                receipt.fingerprint,
                receipt.status,
                receipt.version,
                dict(receipt.body),
            ],
            [encoded.nbytes, encoded.digest.hex(), run, encoded.recorded],
        ]
    )
    return document, encoded.joined() if run is None else b""


def unpack(document: bytes, content: bytes, behind: int) -> Entry:
    """What was packed, of a frame behind which there is that page; nothing is compared with its digest."""
    network, expected, made, receipt, (nbytes, digest, run, recorded) = _loaded(document)
    encoded = Encoded((content,), nbytes, bytes.fromhex(digest), recorded)
    kept = Kept(encoded, None if run is None else cell((behind + run[0], run[1])))
    return Entry(network, expected, VersionRecord(*made), None if receipt is None else Receipt(*receipt), kept)


def _loaded(document: bytes) -> tuple[str, int, Any, Any, Any]:
    loaded: Any = orjson.loads(document)
    return tuple(loaded)
