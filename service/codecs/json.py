"""JSON bodies, read strictly and written natively: what a careless decoder would let through is refused with its place.

Reading is one fast decode and a cheap proof that no field was repeated; only where something is off, `strict` goes
through the body again and says what and where.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import orjson

from service.codecs import strict
from service.codecs.arrays import number_leaves, require_finite
from service.codecs.pointers import excerpt
from service.errors import Fault, InvalidInput, MalformedBody

__all__ = ["Rendering", "parse", "render"]

_MISLEADING: Final = np.uint32(0x15AE43FD).view(np.float32)
"""The one float32 (with its negative) whose shortest digits, 7.038531e-26, a reader that goes by way of float64 takes for
its neighbor: float64 rounds them to exactly half way. All others were tried."""
_ITS_BYTES: Final = (0xAE43FD).to_bytes(3, sys.byteorder)
"""Those that the negative one has too."""
_SHORT: Final = 4096
"""Bytes of an array up to which a search for these three is done sooner than a comparison of its numbers."""

_PIECE: Final = 2**18
"""Bytes of an array that are written at once: some milliseconds, during which no other thread goes on."""
_FLOAT32: Final = np.dtype(np.float32)


def parse(body: bytes | bytearray, what: str = "The body") -> dict[str, Any]:
    """The object in a JSON text (UTF-8, no byte order mark); array leaves are nested lists.

    Args:
        body: the text.
        what: what it is called where it is wrong.

    Raises:
        MalformedBody: not JSON.
        InvalidInput: JSON, but not an object, or with a repeated field, NaN or an infinity, a number out of float64's
            range, a lone surrogate, or nested too deeply; with pointers.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        strict.inspect(body, what)  # raises, unless it is more tolerant than the fast decoder
        raise MalformedBody(f"{what} is not JSON: {excerpt(error, 200)}.") from None
    if type(document) is not dict:
        detail = f"{what} is not a JSON object."
        raise InvalidInput(detail, (Fault("", detail),))
    if b"\\" in body or body.count(b'"') != 2 * _strings(document):
        strict.inspect(body, what)
    return document


def _strings(document: dict[str, Any]) -> int:
    """How many strings the document has, keys included, not counting inside of lists of numbers or of lists.

    A repeated field leaves fewer strings here than its text has, so equal counts prove that none was repeated; a
    string that is not counted only sends the body to the careful pass.
    """
    count = 0
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if type(value) is str:
            count += 1
        elif type(value) is dict:
            count += len(value)
            waiting.extend(value.values())
        elif type(value) is list and value and type(value[0]) in (dict, str):
            waiting.extend(value)
    return count


class Rendering:
    """A document on its way to JSON: arrays are written without Python floats, each number at its dtype's shortest."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)
        self._leaves = number_leaves(self._document)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays in it."""
        return sum(leaf.nbytes for leaf in self._leaves if isinstance(leaf, np.ndarray))

    def render(self) -> bytes:
        """The JSON text.

        Raises:
            NonFinite: a NaN or an infinity is in it (JSON has neither).
        """
        require_finite(self._leaves)  # orjson would write them as null
        document = self._document
        if self._leaves and any(map(_misleads, self._leaves)):
            document = _with_arrays(document, _widened)
        if any(isinstance(leaf, np.ndarray) and leaf.nbytes > _PIECE for leaf in self._leaves):
            document = _with_arrays(document, _in_pieces)
        return _text(document)


def _text(value: object) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


def render(document: Mapping[str, Any]) -> bytes:
    """The JSON text of a document. Raises `NonFinite`."""
    return Rendering(document).render()


def _misleads(leaf: object) -> bool:
    if not isinstance(leaf, (np.ndarray, np.floating)) or leaf.dtype != _FLOAT32:
        return False
    if leaf.nbytes <= _SHORT and _ITS_BYTES not in leaf.tobytes():
        return False
    return bool((np.abs(leaf) == _MISLEADING).any())


def _with_arrays(value: Any, changed: Callable[[Any], Any]) -> Any:
    """The document with each of its leaves changed."""
    if isinstance(value, dict):
        return {key: _with_arrays(item, changed) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, changed) for item in value]
    return changed(value)


def _widened(leaf: Any) -> Any:
    """A float32 array that misleads as float64, which writes all the digits that it needs; any other as it is."""
    return leaf.astype(np.float64) if _misleads(leaf) else leaf


def _in_pieces(leaf: Any) -> Any:
    """A large array as its text, written some rows at a time, so that other threads go on in between."""
    if not isinstance(leaf, np.ndarray) or leaf.nbytes <= _PIECE or not leaf.ndim:
        return leaf
    rows = max(1, _PIECE * len(leaf) // leaf.nbytes)
    pieces = [_text(leaf[at : at + rows])[1:-1] for at in range(0, len(leaf), rows)]
    return orjson.Fragment(b"".join((b"[", b",".join(pieces), b"]")))


def _plain(value: object) -> object:
    """What orjson does not take as it is: arrays that are not contiguous, or without dimensions."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value) if value.ndim else value[()]
    raise TypeError(f"{type(value).__name__} has no JSON form")
