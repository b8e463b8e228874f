"""Numbers in rows, as C reads them: to the bits that `float` reads, whatever their size, their digits and their form."""

from __future__ import annotations

import math
import random
import struct
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.codecs.native import library
from service.codecs.native.library import is_built, read_rows


@pytest.fixture(autouse=True)
def _all_are_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_LONGS", sys.maxsize)


def read(text: str) -> np.ndarray | None:
    """The numbers of a text that is nothing but rows."""
    found = read_rows(text.encode(), 1)
    if not found:
        return None
    [(begin, end, numbers)] = found
    assert (begin, end) == (0, len(text))
    return numbers


def one(number: str) -> float | None:
    found = read(f"[[{number}]]")
    return None if found is None else float(found[0, 0])


def bits(number: float | None) -> str:
    return "none" if number is None else struct.pack(">d", number).hex()


def require_same(numbers: Iterable[str]) -> int:
    """That each is read to the bits that `float` reads; how many there were."""
    texts = [text for text in numbers if math.isfinite(float(text))]
    found = read(f"[[{'],['.join(texts)}]]")
    if found is None:
        raise AssertionError([text for text in texts if one(text) is None][:5])
    wanted = np.array([float(text) for text in texts])
    different = np.flatnonzero(found.ravel().view(np.uint64) != wanted.view(np.uint64))
    assert not different.size, [(texts[i], found.ravel()[i]) for i in different[:5]]
    assert found.shape == (len(texts), 1)
    return len(texts)


def test_it_was_built() -> None:
    assert is_built()


def drawn(count: int, seed: int) -> Iterator[float]:
    """Doubles of all sizes, each with the same chance."""
    for (number,) in struct.iter_unpack("=d", random.Random(seed).randbytes(8 * count)):
        if math.isfinite(number):
            yield number


@pytest.mark.parametrize("form", ["%r", "%.16e", "%.18e", "%.0f"])
def test_a_million_numbers(form: str) -> None:
    if form == "%.0f":
        numbers = [number * 2.0**64 for number in np.random.default_rng(1).standard_normal(250_000)]
    else:
        numbers = list(drawn(280_000, 2))
    assert require_same(form % number for number in numbers) >= 250_000


def test_as_writers_write_what_is_near_one() -> None:
    numbers = np.random.default_rng(3).standard_normal(100_000)
    for form in ("%r", "%.17g", "%.19g", "%.17f", "%.5f", "%.1f"):
        require_same(form % number for number in numbers.tolist())
    require_same(str(number) for number in numbers.astype(np.float32))


def test_the_shortest_digits_of_float32() -> None:
    numbers = np.random.default_rng(4).integers(0, 2**32, 200_000, np.uint32).view(np.float32)
    assert require_same(str(number) for number in numbers[np.isfinite(numbers)]) > 190_000


def test_more_digits_than_a_word_holds() -> None:
    draw = random.Random(5)

    def texts() -> Iterator[str]:
        for _ in range(100_000):
            digits = str(draw.randrange(10 ** draw.randint(19, 40)))
            point = draw.randint(1, len(digits))
            whole = digits[:point].lstrip("0") or "0"
            fraction = f".{digits[point:]}" if point < len(digits) else ""
            yield f"{whole}{fraction}{draw.choice(['', '', f'e{draw.randint(-345, 290)}'])}"

    require_same(texts())


def exact(number: Any) -> Decimal:
    with localcontext() as context:
        context.prec = 1200
        return +Decimal(number)


def around_half_ways(number: float) -> Iterator[str]:
    """What is exactly half way to the next double, and what is next to that."""
    with localcontext() as context:
        context.prec = 1200
        middle = (Decimal(number) + Decimal(math.nextafter(number, math.inf))) / 2
        step = Decimal(1).scaleb(middle.as_tuple().exponent - 1)  # type: ignore[operator]  # the middle is finite
        for text in (middle, middle - step, middle + step):
            yield f"{text:f}"
            yield f"{text:e}"


def test_half_ways() -> None:
    draw = random.Random(6)
    numbers = [abs(number) for number in drawn(1000, 7)]
    numbers += [struct.unpack("=d", draw.randrange(2**52).to_bytes(8, "little"))[0] for _ in range(200)]  # subnormal
    numbers += [0.0, 5e-324, math.nextafter(2.2250738585072014e-308, 0), 1.0, 2.0**53, 1.7976931348623155e308]
    require_same(text for number in numbers for text in around_half_ways(number))


def test_half_ways_of_few_digits() -> None:
    """Each number of at most 19 digits that is half way between two, in the ways that one can be: w 10^q, -4 <= q <= 23."""
    draw = random.Random(8)

    def texts() -> Iterator[str]:
        for power in range(-5, 25):
            for _ in range(300):
                odd = draw.randrange(2**53, 2**54) | 1
                number = odd * 5**-power if power < 0 else (odd // 5**power) | 1
                while number < 2**64:
                    yield from (f"{each}e{power}" for each in (number - 1, number, number + 1) if each < 10**19)
                    number *= 2

    require_same(texts())


def test_powers_of_ten_and_the_ends_of_the_range() -> None:
    digits = (
        "1",
        "9",
        "17",
        "1.7976931348623157",
        "9007199254740993",
        "9999999999999999999",
        "18446744073709551615",
        "0.1",
    )
    require_same(f"{sign}{each}e{power}" for each in digits for power in range(-400, 330) for sign in ("", "-"))
    require_same(
        f"-{k * 2**64 + d}{rest}" for k in (1, 5, 10**16) for d in (0, 1) for rest in ("", ".0", "e3", ".5e-3")
    )
    require_same(
        [
            *("5e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "2.2250738585072014e-308"),
            *("2.2250738585072011e-308", "1.7976931348623157e308", "1.7976931348623158e308", "0e999999999999999999999"),
            *("0e-9", "1e-99999999999999999999", "0.0", "-0.0", "-0e0", "1" + "0" * 308, "0." + "0" * 400 + "1e401"),
        ]
    )
    assert [bits(one(text)) for text in ("-0.0", "-0e0", "-1e-400")] == [bits(-0.0)] * 3
    assert bits(one("-0")) == bits(0.0)  # an integer, which has no negative zero


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number(number: float) -> None:
    for text in (repr(number), f"{number:.17g}", f"{number:.25e}", f"{exact(number):e}"):
        assert bits(one(text)) == bits(0.0 if text == "-0" else float(text))


def test_the_powers_are_what_they_are_called() -> None:
    table = library._powers()[1].astype(object)
    values = [int(high) << 64 | int(low) for high, low in table]
    assert all(2**127 <= value < 2**128 for value in values)
    for smaller, larger in pairwise(values):
        ratio = larger / smaller
        assert min(abs(ratio - 5 / 4), abs(ratio - 5 / 8)) < 1e-15
    assert values[342 : 342 + 3] == [2**127, 5 << 125, 25 << 123]
