"""The fast reader of JSON bodies: rows of numbers become arrays without a Python object for any of them.

Invariant: what it reads, the careful reader (`service.codecs.json`) reads too, to the same numbers. It takes rows of numbers out
of the text, and that one reads the rest. Whatever is odd in the least it leaves to it wholly, which says what and where.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from service.codecs import json
from service.codecs.native.library import Rows, is_built, read_rows
from service.errors import ServiceError

__all__ = ["AVAILABLE", "WithMatrices", "read"]

AVAILABLE: Final = is_built()
"""Otherwise the careful reader reads everything."""

SMALLEST: Final = 512
"""Bytes of a body below which the careful reader is as fast."""
_MOST: Final = 2000
"""Lists of lists, more than any request has; each takes some microseconds to read and to take out."""


class WithMatrices(dict[str, Any]):
    """A document whose rows of numbers are float64 arrays; `body` is the text that it was read from."""

    body: bytes | bytearray = b""


def read(body: bytes | bytearray, smallest: int = SMALLEST, *, rest: int = sys.maxsize) -> WithMatrices | None:
    """The object in a JSON text, or None where the careful reader has to look, or more than `rest` is not rows of numbers.

    In place of each list that begins with a list, [[its number]] is read, so that what is read is JSON if and only if
    the text is, and just as deep. All of them are taken out: what looks like one afterwards is one of these.
    """
    if not AVAILABLE or len(body) < smallest:
        return None
    found = read_rows(body, _MOST)
    if not found:
        return None
    text = _without(body, found)
    if len(text) > rest or b"\\" in text:
        return None  # quotes may not be what they were taken for
    try:
        document = WithMatrices(json.parse(text))
    except ServiceError:
        return None
    document.body = body
    return document if _put_back(document, found) == len(found) else None


def _without(body: bytes | bytearray, found: list[Rows]) -> bytes:
    kept: list[bytes | bytearray] = []
    behind = 0
    for number, (begin, end, _) in enumerate(found):
        kept += body[behind:begin], b"[[%d]]" % number
        behind = end
    kept.append(body[behind:])
    return b"".join(kept)


def _put_back(document: dict[str, Any], found: list[Rows]) -> int:
    """Matrices into the fields that they were taken from; elsewhere, none belongs. How many there were."""
    count = 0
    waiting = [document]
    for fields in waiting:  # which grows meanwhile
        for name, value in fields.items():
            if type(value) is dict:
                waiting.append(value)
            elif type(value) is list and value:
                if type(value[0]) is list:
                    fields[name] = found[value[0][0]][2]
                    count += 1
                else:
                    waiting += (item for item in value if type(item) is dict)
    return count
