"""The careful pass over a JSON body: every fault that JSON decoders forgive, with its place.

It runs only on bodies that look wrong (or hold escapes), so it may be slow; its depth and its findings are bounded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from service.codecs.pointers import excerpt, pointer
from service.errors import Fault, InvalidInput, MalformedBody

__all__ = ["REPEATED", "inspect"]

REPEATED = "This field is given more than once."

MAX_DEPTH = 64
"""No document of this service is nested more than a tenth as deep."""

MAX_FAULTS = 20

_TOO_DEEP = f"The text is nested more than {MAX_DEPTH} deep."


class _Repeated(dict[str, Any]):
    """An object in which the fields `names` stand more than once."""

    names: tuple[str, ...] = ()


class _Unspeakable(str):
    """A literal that is no JSON number here (NaN, Infinity, a number beyond float64); its text says which."""

    __slots__ = ()


def inspect(body: bytes | bytearray, what: str) -> None:
    """Raise for what makes the body (called `what`) no JSON, or for the faults in what it says; return if it is fine."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"{what} is not UTF-8: byte {error.start} cannot be decoded.") from None
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_constant=_Unspeakable, parse_int=_integer, parse_float=_real
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"{what} is not JSON: {excerpt(error.msg)} at {where}.") from None
    except RecursionError:
        raise InvalidInput.of(Fault("", _TOO_DEEP)) from None
    faults: list[Fault] = []
    for fault in _faults(document, ()):
        faults.append(fault)
        if len(faults) == MAX_FAULTS:
            break
    if faults:
        raise InvalidInput.of(*faults)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    twice = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]  # None: not seen
    repeated = _Repeated(found)
    repeated.names = tuple(dict.fromkeys(twice))
    return repeated


def _integer(text: str) -> int | _Unspeakable:
    # int() is quadratic in the digits, and refuses 4,300 of them with an error of its own.
    return int(text) if len(text) < 300 else _Unspeakable("This integer")


def _real(text: str) -> float | _Unspeakable:
    number = float(text)
    return number if math.isfinite(number) else _Unspeakable("This number")


def _faults(value: object, path: tuple[str | int, ...]) -> Iterator[Fault]:
    """Every fault of a decoded value, in the order of the text."""
    if isinstance(value, _Unspeakable):
        what = "is outside the range of float64" if value.startswith("This") else "is not a JSON number"
        yield Fault(pointer(*path), f"{value} {what}.")
    elif isinstance(value, str):
        if not _encodable(value):
            yield Fault(pointer(*path), "This string holds a lone surrogate.")
    elif isinstance(value, (dict, list)):
        if len(path) >= MAX_DEPTH:
            yield Fault("", _TOO_DEEP)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if type(item) is not float and type(item) is not int:
                    yield from _faults(item, (*path, index))
        else:
            yield from _field_faults(value, path)


def _field_faults(value: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[Fault]:
    if isinstance(value, _Repeated):
        for name in value.names:
            yield Fault(pointer(*path, name), REPEATED)
    for name, item in value.items():
        if not _encodable(name):
            yield Fault(pointer(*path, name), "This field's name holds a lone surrogate.")
        yield from _faults(item, (*path, name))


def _encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)
