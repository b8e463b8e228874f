"""The fast reader of JSON bodies: rows of numbers become arrays without a Python object for any of them.

Invariant: what it reads, the careful reader (`service.codecs.json`) reads too, to the same numbers. Whatever is odd in the
least (a repeated field, an escape, a ragged row, a number out of range) it leaves to that one, which says what and where.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.codecs import pieces

try:
    import simdjson
except ImportError:  # no wheel for this Python yet (docs/dependencies.md): the careful reader then reads everything
    simdjson = None  # type: ignore[assignment]  # a module, or none

__all__ = ["AVAILABLE", "WithMatrices", "read"]

AVAILABLE: Final = simdjson is not None

SMALLEST: Final = 512
"""Bytes of a body below which the careful reader is as fast."""
PIECE: Final = 2**19
"""Bytes of rows that are read at once: the parser keeps to the cache, and lets other threads go on in between."""
_KEPT: Final = 8 * 2**20
"""Bytes of a text up to which a thread keeps the parser, whose memory is some four times that, for the next one."""
_MOST_FIELDS: Final = 32
"""Fields of an object, more than any has; each is looked up from the first on, so that many would take minutes."""
_BRACKET: Final = ord("[")
_FAR_APART: Final = 64
"""Bytes from one bracket to the next, on average, from which on jumping costs less than looking at every byte."""

Matrix = npt.NDArray[np.float64]


class WithMatrices(dict[str, Any]):
    """A document whose rows of numbers are float64 arrays; `body` is the text that it was read from."""

    body: bytes | bytearray = b""


class _Odd(Exception):
    """Something that the careful reader is to look at."""


class _Parsers(threading.local):
    """One parser a thread."""

    kept: Any = None


_parsers: Final = _Parsers()


def read(body: bytes | bytearray, smallest: int = SMALLEST, *, piece: int = PIECE) -> WithMatrices | None:
    """The object in a JSON text, or None where the careful reader has to look."""
    if simdjson is None or len(body) < smallest or b"\\" in body or body.startswith(b"\xef\xbb\xbf"):
        return None
    try:
        found = _document(body) if len(body) <= piece else _in_pieces(body, piece)
    except (_Odd, ValueError, TypeError, RuntimeError):
        return None
    document = WithMatrices(found)
    document.body = body
    return document


def _document(text: bytes | bytearray, taken: list[Matrix] | None = None) -> dict[str, Any]:
    """The object in a text, in which `taken` stand in the places that `pieces.marked` has for them."""
    reading = _Reading(taken or [])
    root = _parser(len(text)).parse(text)
    if type(root) is not simdjson.Object:
        raise _Odd
    found = reading.fields(root)
    _require_lists(text, reading.lists)
    return found


def _in_pieces(body: bytes | bytearray, size: int) -> dict[str, Any]:
    """As `_document`, its matrices read some rows at a time and put into the places that they were taken from."""
    text = bytearray()
    matrices: list[Matrix] = []
    at = 0
    while (begin := pieces.next_matrix(body, at)) >= 0:
        rows = pieces.Rows(body, begin, size)
        matrices.append(np.concatenate(_alike([_rows(piece) for piece in rows])))
        text += memoryview(body)[at:begin]
        text += pieces.marked(len(matrices) - 1)
        at = rows.end
    if not matrices:
        return _document(body)
    text += memoryview(body)[at:]
    return _document(text, matrices)


def _rows(text: bytes) -> Matrix:
    root = _parser(len(text)).parse(text)
    reading = _Reading([])
    reading.lists += 1
    found = reading.matrix(root, len(root[0]))
    _require_lists(text, reading.lists)
    return found


def _alike(parts: list[Matrix]) -> list[Matrix]:
    if len({part.shape[1] for part in parts}) != 1:
        raise _Odd
    return parts


def _require_lists(text: bytes | bytearray, count: int) -> None:
    """Every bracket is one of a list that was met: none hides among the numbers, whose nesting the parser has lost."""
    if _brackets(text, count + 1) != count:
        raise _Odd


def _brackets(text: bytes | bytearray, most: int) -> int:
    """How many there are, or `most` where there are more."""
    if most * _FAR_APART > len(text):
        return int(np.count_nonzero(np.frombuffer(text, np.uint8) == _BRACKET))
    at = -1
    for found in range(most):
        at = text.find(b"[", at + 1)
        if at < 0:
            return found
    return most


def _parser(size: int) -> Any:
    if size > _KEPT:
        return simdjson.Parser()
    if _parsers.kept is None:
        _parsers.kept = simdjson.Parser()
    return _parsers.kept


class _Reading:
    """One pass through a parsed text; nothing of the parser's is alive after it."""

    def __init__(self, taken: list[Matrix]) -> None:
        self.lists = 0
        self._taken = taken

    def fields(self, value: Any) -> dict[str, Any]:
        if len(value) > _MOST_FIELDS:
            raise _Odd
        names = set(value.keys())
        if len(names) != len(value):
            raise _Odd
        return {name: self._value(value[name]) for name in value}

    def _value(self, value: Any) -> Any:
        if type(value) is simdjson.Object:
            return self.fields(value)
        if type(value) is simdjson.Array:
            return self._list(value)
        place = pieces.place(value) if self._taken and type(value) is str else None
        return value if place is None else self._taken[place]

    def _list(self, value: Any) -> Any:
        self.lists += 1
        first = value[0] if len(value) else None
        if type(first) is simdjson.Object:
            return [self._value(item) for item in value]
        if type(first) is simdjson.Array:
            return self.matrix(value, len(first))
        items = value.as_list()
        if any(type(item) in {list, dict} or self._is_taken(item) for item in items):
            raise _Odd
        return items

    def _is_taken(self, item: object) -> bool:
        return bool(self._taken) and type(item) is str and pieces.place(item) is not None

    def matrix(self, rows: Any, columns: int) -> Matrix:
        count = len(rows)
        if not columns or any(type(row) is not simdjson.Array or len(row) != columns for row in rows):
            raise _Odd
        numbers = np.frombuffer(rows.as_buffer(of_type="d"))
        if numbers.size != count * columns:
            raise _Odd
        self.lists += count
        return numbers.reshape(count, columns)
