"""Drawn texts for `rows.c` built with sanitizers: python -m tests.fuzz.sanitized LIBRARY RUNS SEED

AddressSanitizer has to be preloaded. It ends the process at the first byte that is read or written out of place: each text and each
room for numbers is a block of its own, of just its size.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

from service.codecs.native import library

TEXTS = [
    b"[[1.5, -0.25e-3, 12345678901234567890.123, 0], [7, 1234567, 0.1234567890123456789012, 3]]",
    b'{"a": "[[", "inputs": [[0.1234567890123456, -1e300], [0.0000000000012345678, 5e-324]], "b": [[1],[2],[3],[4],[5]]}',
    b"[ [ 1 , 2 ] , [ 3 , 4 ] ]",
    b"[[" + b"1234567890" * 40 + b"." + b"0123456789" * 40 + b"e-400]]",
]
WORDS = [b"[", b"]", b"],[", b",", b"0", b"9" * 17, b".", b"e", b"-", b"+", b" ", b'"', b"\0", b"\xff", b"123456789"]


def text_of(draw: random.Random) -> bytes:
    """One of the texts with something in some places, or cut off."""
    text = bytearray(draw.choice(TEXTS))
    for _ in range(draw.randrange(4)):
        at = draw.randrange(len(text))
        text[at : at + draw.randrange(4)] = draw.choice(WORDS)
    return bytes(
        text[draw.choice([0, 0, 0, draw.randrange(9)]) : draw.choice([len(text), draw.randrange(1, len(text) + 1)])]
    )


def read(text: bytes, draw: random.Random) -> int:
    """Read all rows of a text into rooms that are as small as can be; how many numbers there were."""
    end = text.rfind(b"]") + 1
    if not end:
        return 0
    held = np.frombuffer(text[:end], np.uint8).copy()
    find, go_on = library._functions(releases=False)
    reading = library._Reading(powers=library._powers()[0])
    reading.text, reading.end = held.ctypes.data, end
    count = 0
    while True:
        numbers = np.empty(draw.randint(1, 8))
        reading.numbers, reading.room = numbers.ctypes.data, len(numbers)
        why = find(reading)
        while why in {library._FULL, library._LONG}:
            if why == library._FULL:
                numbers = np.concatenate([numbers, np.empty(draw.randint(1, 8))])
                reading.numbers, reading.room = numbers.ctypes.data, len(numbers)
            why = go_on(reading)
        if why not in {library._DONE, library._LAST}:
            return count
        assert 0 <= reading.begin < reading.at <= end
        assert reading.count % reading.columns == 0
        count += reading.count


if __name__ == "__main__":
    library._FILE = Path(sys.argv[1])  # type: ignore[misc]  # in place of the one that is used
    draw = random.Random(int(sys.argv[3]))
    print(sum(read(text_of(draw), draw) for _ in range(int(sys.argv[2]))), "numbers")
