"""Rows of numbers as C reads them: all that is JSON, and nothing else, and not a byte beyond the text."""

from __future__ import annotations

import ctypes
import json
import math
import mmap
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.codecs.native import library
from service.codecs.native.library import Rows, read_rows


def read(text: str) -> np.ndarray | None:
    """The numbers of a text that is nothing but rows."""
    found = read_rows(text.encode(), 1)
    return found[0][2] if found and found[0][:2] == (0, len(text.encode())) else None


WRONG_NUMBERS = """
    - +1 01 -01 00 .5 1. -.5 1.e5 1e 1e+ 1e- 1.5e 1ee5 1e5.0 0x10 1_0 --1 1- 1+1 e5 1.5.5 1/2 1; 12345678: 123456789012345:
    1e309 -1e309 1.7976931348623159e308 1e99999999999999999999 NaN Infinity -Infinity nan inf true null "1" {} [] [1] 1, ,1 1,,2
"""
ODD_NUMBERS = ["", "1 2", "- 1", "1 .5", "1\0", "\0", "1\x0b", "\xa01", "\uff11", "1" + "0" * 309, "9" * 400]


@pytest.mark.parametrize("number", [*WRONG_NUMBERS.split(), *ODD_NUMBERS])
def test_what_is_no_number_is_left_to_others(number: str) -> None:
    for text in (f"[[{number}]]", f"[[1, {number}]]", f"[[{number}, 1]]", f"[[1], [{number}]]", f"[[{number}], [1]]"):
        assert read(text) is None


WRONG_ROWS = """
    ] ]] [ [[ [] [[]] [[],[]] [[1],[]] [1] [1,[2]] [[1],2] [[1][2]] [[1],] [[1,2],[3]] [[1],[2,3]] [[[1]]] [[1] [[1],[2] [[1],
    [[1],[[2]]] [[1];[2]] ([1]) {[1]}
"""


@pytest.mark.parametrize("text", [*WRONG_ROWS.split(), "", " [[1]]", "[[1] [2]]", "[[1]\0]"])
def test_what_is_not_rows_is_left_to_others(text: str) -> None:
    assert read(text) is None


WORDS = [
    "[",
    "]",
    ",",
    " ",
    "\n",
    "\t",
    "\r",
    "0",
    "1",
    "-",
    "+",
    ".",
    "e",
    "E",
    "7",
    "12345678",
    "\0",
    "\xe9",
    '"',
    "\x0b",
]
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?", fullmatch=True),
)
BLANKS = st.sampled_from(["", "", " ", "\n", "\t\r\n  "])


@st.composite
def rows(draw: st.DrawFn) -> str:
    """Rows of numbers as text, with blanks wherever there may be some."""
    columns = draw(st.integers(1, 5))

    def spaced(items: list[str]) -> str:
        return ",".join(draw(BLANKS) + item + draw(BLANKS) for item in items)

    lines = [
        f"[{spaced(draw(st.lists(NUMBERS, min_size=columns, max_size=columns)))}]"
        for _ in range(draw(st.integers(1, 4)))
    ]
    return f"[{spaced(lines)}]"


@st.composite
def damaged(draw: st.DrawFn) -> str:
    text = draw(rows())
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(WORDS)) + text[at + draw(st.integers(0, 2)) :]


def plainly(text: str, at: int) -> tuple[np.ndarray, int] | None:
    """The rows at a place, and where they end, as the standard library says."""

    def refuse(word: str) -> float:
        raise ValueError(word)

    try:
        value, end = json.JSONDecoder(parse_constant=refuse).raw_decode(text, at)
        wanted = np.array([[float(item) for item in row if type(item) in {int, float} or refuse("")] for row in value])
    except (ValueError, OverflowError, TypeError):
        return None
    regular = type(value) is list and {type(row) for row in value} == {list} and len({len(row) for row in value}) == 1
    return (wanted, end) if regular and wanted.size and np.isfinite(wanted).all() else None


def all_plainly(text: str) -> list[tuple[int, int, np.ndarray]] | None:
    """What `read_rows` is to find."""
    found, at, inside = [], 0, False
    while at < text.rfind("]") + 1:
        if text[at] == '"':
            inside = not inside
        elif not inside and re.match(r"\[[ \t\r\n]*\[", text[at:]):
            rows = plainly(text, at)
            if rows is None:
                return None
            found.append((at, rows[1], rows[0]))
            at = rows[1]
            continue
        at += 1
    return found


def require_the_same(text: str, found: list[Rows] | None, wanted: list[tuple[int, int, np.ndarray]] | None) -> None:
    assert (found is None) == (wanted is None), text
    for mine, its in zip(found or [], wanted or [], strict=True):
        assert mine[:2] == its[:2], text
        assert mine[2].shape == its[2].shape
        assert mine[2].tobytes() == its[2].tobytes()


ANYTHING = st.lists(st.sampled_from(WORDS), max_size=12).map(lambda words: "[[" + "".join(words) + "]]")


@given(st.lists(rows() | damaged() | ANYTHING | st.sampled_from(WORDS), max_size=3).map("".join))
@example("[[1e400]]")
@example("[[1]]\0")
@example('"[[1]]"[[2]]"[[3]] ')
@example("[ [1]][[2]] [\n[3]")
@example("[[[1]]]")
@example("[1, [[2]]]")
def test_it_finds_and_reads_what_the_standard_library_reads(text: str) -> None:
    encoded = text.encode("latin-1")
    require_the_same(text, read_rows(encoded, 100), all_plainly(text))
    require_the_same(text, read_rows(bytearray(encoded), 100), all_plainly(text))


@given(rows(), st.integers(1, 9))
def test_it_goes_on_where_it_stopped(text: str, room: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "_ROOM", room)
        with ThreadPoolExecutor(1) as fresh:
            cut = fresh.submit(read_rows, (text + text).encode(), 2).result()
    require_the_same(text, cut, all_plainly(text + text))


def test_nothing_beyond_the_text_is_read() -> None:
    """Behind the text is a page that must not be read; whatever reads there ends the process."""
    size = mmap.PAGESIZE
    pages = mmap.mmap(-1, 2 * size)
    place = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    assert protect(place + size, size, 0) == 0
    find, numbers = library._functions(releases=False)[0], np.empty(1000)
    try:
        text = b"[[1.5, -0.25e-3, 12345678901234567890.123, 0], [7, 1234567, 0.1234567890123456789012, 3]]"
        # What ends wherever it likes with a bracket, which is all that the reader relies on, and what does not end with one.
        for cut in range(1, len(text) + 1):
            for end in (text[:cut] + b"]", text[:cut]):
                pages[size - len(end) : size] = end
                reading = library._Reading(powers=library._powers()[0])
                reading.text, reading.end = place + size - len(end), len(end)
                reading.numbers, reading.room = library._place(numbers), len(numbers)
                why = find(reading)
                assert (why == library._LAST) == (plainly(end.decode(), 0) is not None)
                assert (why == library._NONE) == (not end.startswith(b"[[") or not end.endswith(b"]"))
    finally:
        assert protect(place + size, size, mmap.PROT_READ | mmap.PROT_WRITE) == 0


def test_the_text_is_let_go_of() -> None:
    for text in (bytearray(b"[[1.5,2],[3,4]]"), bytearray(b"[[1,2],[3,x]]")):
        read_rows(text, 1)
        text.append(1)
    held = b"[[1.5,2],[3,4]]" * 2
    before = sys.getrefcount(held)
    assert read_rows(held, 2)
    assert sys.getrefcount(held) == before


def test_what_was_read_is_not_written_to_again() -> None:
    first = read("[[1, 2], [3, 4]]")
    assert read("[[5, 6], [7, 8]]") is not None
    assert first is not None
    assert first.tolist() == [[1, 2], [3, 4]]


def test_no_more_than_are_asked_for() -> None:
    assert read_rows(b"[[1]]" * 3, 2) is None
    found = read_rows(b"[[1]]" * 3, 3)
    assert found
    assert [rows[:2] for rows in found] == [(0, 5), (5, 10), (10, 15)]
    assert read_rows(b"", 1) == read_rows(b"]", 1) == read_rows(b"x[1]", 1) == []


def test_sizes_of_every_kind() -> None:
    for shape in [(1, 1), (1, 5000), (5000, 1), (3, 1023), (1, 1024), (1024, 1), (1, 1025), (300, 784)]:
        for digits in (1, 6):
            numbers = np.linspace(0, 1, math.prod(shape)).reshape(shape) ** 8
            numbers[: len(numbers) // 2] = numbers[: len(numbers) // 2].round(digits)
            for given_ in (numbers, numbers[::-1, ::-1]):  # whose digits become more, or fewer, on the way
                found = read(json.dumps(given_.tolist()))
                assert found is not None
                np.testing.assert_array_equal(found, given_, strict=True)
                assert found.base is None or found.base.size == given_.size


def test_very_many_numbers_of_very_many_digits_are_left_to_the_careful_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_LONGS", 3)
    half_way = "9007199254740993.00000001"
    for count in (3, 4):
        found = read_rows(f"[[{','.join([half_way] * count)}]]".encode(), 1)
        assert (found is None) == (count > 3)
    assert read_rows(f"[[{','.join([half_way] * 3)}]]".encode(), 1)[0][2].tolist() == [[float(half_way)] * 3]
