"""The fast reader of JSON bodies: rows of numbers become arrays without a Python object for any of them.

Invariant: what it reads, the careful reader (`service.codecs.json`) reads too, to the same numbers. Whatever is odd in the
least (a repeated field, an escape, a ragged row, a number out of range) it leaves to that one, which says what and where.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np

try:
    import simdjson
except ImportError:  # no wheel for this Python yet (docs/dependencies.md): the careful reader then reads everything
    simdjson = None  # type: ignore[assignment]

__all__ = ["AVAILABLE", "WithMatrices", "read"]

AVAILABLE: Final = simdjson is not None

SMALLEST: Final = 512
"""Bytes of a body below which the careful reader is as fast."""
_KEPT: Final = 8 * 2**20
"""Bytes of a body up to which a thread keeps the parser, whose memory is some four times that, for the next one."""
_MOST_FIELDS: Final = 32
"""Fields of an object, more than any has; each is looked up from the first on, so that many would take minutes."""
_BRACKET: Final = ord("[")


class WithMatrices(dict[str, Any]):
    """A document whose rows of numbers are float64 arrays; `body` is the text that it was read from."""

    body: bytes | bytearray = b""


class _Odd(Exception):
    """Something that the careful reader is to look at."""


class _Parsers(threading.local):
    """One parser a thread."""

    kept: Any = None


_parsers: Final = _Parsers()


def read(body: bytes | bytearray, smallest: int = SMALLEST) -> WithMatrices | None:
    """The object in a JSON text, or None where the careful reader has to look."""
    if simdjson is None or len(body) < smallest or b"\\" in body or body.startswith(b"\xef\xbb\xbf"):
        return None
    reading = _Reading()
    try:
        found = reading.document(_parser(len(body)), body)
    except (_Odd, ValueError, TypeError, RuntimeError):
        return None
    # Every bracket is one of a list that was met: none hides among the numbers, whose nesting the parser has lost.
    if np.count_nonzero(np.frombuffer(body, np.uint8) == _BRACKET) != reading.lists:
        return None
    document = WithMatrices(found)
    document.body = body
    return document


def _parser(size: int) -> Any:
    if size > _KEPT:
        return simdjson.Parser()
    if _parsers.kept is None:
        _parsers.kept = simdjson.Parser()
    return _parsers.kept


class _Reading:
    """One pass through a parsed text; nothing of the parser's is alive after it."""

    def __init__(self) -> None:
        self.lists = 0

    def document(self, parser: Any, body: bytes | bytearray) -> dict[str, Any]:
        root = parser.parse(body)
        if type(root) is not simdjson.Object:
            raise _Odd
        return self._fields(root)

    def _fields(self, value: Any) -> dict[str, Any]:
        if len(value) > _MOST_FIELDS:
            raise _Odd
        names = set(value.keys())
        if len(names) != len(value):
            raise _Odd
        return {name: self._value(value[name]) for name in value}

    def _value(self, value: Any) -> Any:
        if type(value) is simdjson.Object:
            return self._fields(value)
        return self._list(value) if type(value) is simdjson.Array else value

    def _list(self, value: Any) -> Any:
        self.lists += 1
        first = value[0] if len(value) else None
        if type(first) is simdjson.Object:
            return [self._value(item) for item in value]
        if type(first) is simdjson.Array:
            return self._matrix(value, len(first))
        items = value.as_list()
        if any(type(item) in {list, dict} for item in items):
            raise _Odd
        return items

    def _matrix(self, rows: Any, columns: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        count = len(rows)
        if not columns or any(type(row) is not simdjson.Array or len(row) != columns for row in rows):
            raise _Odd
        numbers = np.frombuffer(rows.as_buffer(of_type="d"))
        if numbers.size != count * columns:
            raise _Odd
        self.lists += count
        return numbers.reshape(count, columns)
