"""`rows.c`, compiled when the package was installed: rows of numbers become an array without a Python object for any of them.

Invariant: a number is read to the same bits as `float` reads it. What is not plainly rows of finite numbers is left to others.
"""

from __future__ import annotations

import ctypes
import math
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["Matrix", "Rows", "is_built", "read_rows"]

_FILE: Final = Path(__file__).with_name("rows.so")
"""Where the build puts it."""
_DONE, _LAST, _FULL, _LONG, _ODD, _NONE = range(6)
_RELEASED: Final = 2**18
"""Bytes of a text from which on other threads go on meanwhile: less is read sooner than they are given their turn."""
_ROOM: Final = 1024
"""Numbers that a thread has room for; where there are more, how many is estimated from these."""
_LONGS: Final = 1000
"""Numbers of so many digits that Python reads them, a microsecond each: with more of them the careful reader is sooner done."""

Matrix = npt.NDArray[np.float64]


Rows = tuple[int, int, Matrix]
"""A list of rows in a text: where it begins and ends, and its numbers."""


class _Reading(ctypes.Structure):
    """`Reading` of `rows.c`."""

    _fields_ = (
        ("text", ctypes.c_char_p),
        ("end", ctypes.c_int64),
        ("at", ctypes.c_int64),
        ("begin", ctypes.c_int64),
        ("token", ctypes.c_int64),
        ("numbers", ctypes.c_void_p),
        ("room", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("column", ctypes.c_int64),
        ("powers", ctypes.c_void_p),
    )


class _Tools:
    """What a thread reads with."""

    def __init__(self) -> None:
        self.numbers = np.empty(_ROOM)
        self.place = _place(self.numbers)
        self.reading = _Reading(powers=_powers()[0])
        self.holding, self.releasing = _functions(releases=False), _functions(releases=True)


class _Thread(threading.local):
    """Each thread's own."""

    def __init__(self) -> None:
        self.tools = _Tools()


@cache
def _thread() -> _Thread:
    return _Thread()  # which loads the library


def is_built() -> bool:
    """Whether there is the library, on a processor that it is for."""
    return sys.byteorder == "little" and _FILE.exists()


def read_rows(text: bytes | bytearray, most: int) -> list[Rows] | None:
    """Each list in a text that begins with a list; None where one is not rows of finite numbers, or there are more than `most`.

    So is a text with very many numbers of very many digits.

    They are looked for outside of strings, where the text is JSON without a backslash; in any other one, somewhere.
    """
    found: list[Rows] = []
    end = text.rfind(b"]") + 1
    if not end:
        return found
    tools = _thread().tools
    reading, kept = tools.reading, tools.numbers
    find, go_on = tools.holding if len(text) < _RELEASED else tools.releasing
    held = None if type(text) is bytes else ctypes.c_char.from_buffer(text)  # which keeps it where it is
    reading.text = text if held is None else ctypes.addressof(held)
    reading.at, reading.end, longs = 0, end, 0
    try:
        while len(found) < most:
            reading.numbers, reading.room = tools.place, len(kept)
            numbers, why = kept, find(reading)
            while _FULL <= why <= _LONG:
                if why == _FULL:
                    numbers = _enlarged(numbers, reading)
                elif (longs := longs + 1) > _LONGS or not _put_long(text, numbers, reading):
                    return None
                why = go_on(reading)
            if why > _LAST:
                return found if why == _NONE else None
            rows = numbers[: reading.count].copy() if numbers is kept else _shortened(numbers, reading.count)
            found.append((reading.begin, reading.at, rows.reshape(-1, reading.columns)))
            if why == _LAST:
                return found
        return None
    finally:
        reading.text = b""  # which takes the place of a text that would be kept


def _place(numbers: Matrix) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(numbers.data))


def _put_long(text: bytes | bytearray, numbers: Matrix, reading: _Reading) -> bool:
    """Read a number of many digits; False where it is none of float64's."""
    number = float(text[reading.token : reading.at])
    numbers[reading.count - 1] = number
    return math.isfinite(number)


def _enlarged(numbers: Matrix, reading: _Reading) -> Matrix:
    """With room for as many more as there may be, and some: memory that is never written to costs nothing."""
    more = reading.count * (reading.end - reading.at) // (reading.at - reading.begin)
    larger = np.empty(len(numbers) + more + more // 16 + _ROOM)
    larger[: len(numbers)] = numbers
    reading.numbers, reading.room = _place(larger), len(larger)
    return larger


def _shortened(numbers: Matrix, count: int) -> Matrix:
    """What there was too much of is given back."""
    numbers.resize(count, refcheck=False)
    return numbers


@cache
def _functions(releases: bool) -> tuple[Any, Any]:
    """What finds rows, and what goes on with them."""
    load: Any = ctypes.CDLL if releases else ctypes.PyDLL
    library = load(str(_FILE))
    for function in (library.gradwire_next_rows, library.gradwire_more_rows):
        function.argtypes, function.restype = (ctypes.POINTER(_Reading),), ctypes.c_int
    return library.gradwire_next_rows, library.gradwire_more_rows


@cache
def _powers() -> tuple[int, npt.NDArray[np.uint64]]:
    """The table of `rows.c`, and where it is: 5^-342 to 5^308, of each the first 128 bits, the high word and the low one.

    An inverse of few digits is rounded up, so that half ways come out exactly (Lemire, 2021, section 5).
    """
    bits = [_inverse(5**-power) + (power >= -27) if power < 0 else _first(5**power) for power in range(-342, 309)]
    table = np.array([divmod(each, 2**64) for each in bits], np.uint64)
    return table.ctypes.data, table


def _first(number: int) -> int:
    spare = number.bit_length() - 128
    return number >> spare if spare > 0 else number << -spare


def _inverse(number: int) -> int:
    return (1 << (number.bit_length() + 127)) // number
