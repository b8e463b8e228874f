"""Rows of numbers in a large JSON text, found and cut without reading them: some hundred kilobytes at a time.

Invariant: the pieces, with commas between them and brackets around, and what is left of the text, with the matrices put back,
are the text. Whether they are JSON is for whoever reads them to say. The text has no backslash, so that quotes come in pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["Rows", "marked", "next_matrix", "place"]

# Possessive, so that blanks are gone through once.
_BEGIN: Final = re.compile(rb"\[[ \t\r\n]*+(?=\[)")
_BETWEEN: Final = re.compile(rb"[ \t\r\n]*+,[ \t\r\n]*+")
_BLANKS: Final = b" \t\r\n"
_MARK: Final = "\0"
"""No text without a backslash has it in a string."""


def next_matrix(text: bytes | bytearray, at: int) -> int:
    """Where the next list that begins with a list begins, outside of strings; -1 where there is none."""
    while found := _BEGIN.search(text, at):
        if text.count(b'"', at, found.start()) % 2 == 0:
            return found.start()
        # It is in a string, which ends with the next quote; without one, nothing outside of strings follows.
        at = text.find(b'"', found.start()) + 1
        if not at:
            return -1
    return -1


class Rows:
    """The rows of the list of lists at `begin`, as texts of about `size` bytes, each a list of rows.

    Raises `ValueError` where the text goes on in another way than rows do.
    """

    def __init__(self, text: bytes | bytearray, begin: int, size: int) -> None:
        self._text = text
        self._size = size
        self._at = begin + 1
        self.end = -1
        """Behind the list, once all rows were given."""

    def __iter__(self) -> Iterator[bytes]:
        while self.end < 0:
            until = self._cut()
            with memoryview(self._text) as view:
                yield b"".join((b"[", view[self._at : until], b"]"))
            self._at = until
            if self.end < 0:
                between = _BETWEEN.match(self._text, until)
                if between is None:
                    raise ValueError
                self._at = between.end()

    def _cut(self) -> int:
        """Behind the last whole row of the next piece."""
        text, at, size = self._text, self._at, self._size
        while True:
            # Rows have neither quotes nor braces: in front of the first of these the list has ended.
            found = [place for mark in (b'"', b"}") if (place := text.find(mark, at, at + size)) >= 0]
            until = text.rfind(b"]", at, min(found, default=at + size)) + 1
            before = text.rfind(b"]", at, until - 1) + 1 if until else 0
            if before and not text[before : until - 1].strip(_BLANKS):
                self.end = until
                return before
            if until and not found and _BETWEEN.match(text, until):
                return until
            if found or at + size >= len(text):
                raise ValueError
            size *= 2  # a row may be as long as the text: doubled, that is gone through twice and not a thousand times


def marked(number: int) -> bytes:
    """What stands in a text for a matrix that was taken out of it."""
    return b'"\\u0000%d"' % number


def place(text: str) -> int | None:
    """The number of the matrix that a string stands for."""
    return int(text[1:]) if text.startswith(_MARK) else None
