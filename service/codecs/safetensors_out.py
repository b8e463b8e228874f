"""Safetensors bodies, written: one pass over the tensors, and a header that is written once for all answers of its kind.

Invariant: tensors are contiguous, little-endian and aligned, whatever the arrays were; no number in them is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from service.codecs import json, names
from service.codecs.arrays import require_finite
from service.codecs.safetensors import DTYPES

__all__ = ["Rendering", "render"]

Array = npt.NDArray[Any]

_NAMES: Final = {code: name for name, code in DTYPES.items()}
_BLANKS: Final = tuple(b" " * (-size % 8) for size in range(8))
_MOST_KEPT: Final = 32
"""Tensors of an answer up to which the text of its header is kept."""


class Rendering:
    """A document on its way to safetensors: arrays contiguous and little-endian, the rest in `__metadata__["json"]`."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        tensors, self._rest = names.flatten(document)
        # The widest items come first, so that every tensor lies aligned.
        self._tensors = sorted(tensors.items(), key=_width) if len(tensors) > 1 else list(tensors.items())

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(array.nbytes for _, array in self._tensors)

    def render(self) -> bytes:
        """The body.

        Raises:
            NonFinite: a NaN or an infinity is in it.
        """
        arrays: list[Any] = [array if _is_plain(array) else _plain(array) for _, array in self._tensors]
        require_finite(arrays)
        places = tuple(
            [(name, array.dtype.str, array.shape) for (name, _), array in zip(self._tensors, arrays, strict=True)]
        )
        entries = (_entries if len(places) <= _MOST_KEPT else _entries.__wrapped__)(places)
        text = b'{"__metadata__":{"json":%b}%b}' % (_quoted(self._rest), entries)
        text += _BLANKS[len(text) % 8]
        return b"".join((len(text).to_bytes(8, "little"), text, *arrays))


def render(document: Mapping[str, Any]) -> bytes:
    """The safetensors bytes of a document. Raises `NonFinite`."""
    return Rendering(document).render()


def _quoted(rest: Mapping[str, Any]) -> bytes:
    """What is not arrays, as a JSON text in a JSON string. Most answers have their version there and nothing else."""
    if len(rest) == 1 and type(version := rest.get("version")) is int:
        return b'"{\\"version\\":%d}"' % version
    return orjson.dumps(json.render(rest).decode("utf-8"))


@lru_cache(maxsize=256)
def _entries(places: tuple[tuple[str, str, tuple[int, ...]], ...]) -> bytes:
    """The header's text for tensors in this order, each after a comma. Answers have the same few again and again."""
    text, end = b"", 0
    for name, dtype, shape in places:
        begin, end = end, end + math.prod(shape) * np.dtype(dtype).itemsize
        entry = {"dtype": _NAMES[dtype], "shape": shape, "data_offsets": (begin, end)}
        text += b",%s:%s" % (orjson.dumps(name), orjson.dumps(entry))
    return text


def _width(item: tuple[str, Array]) -> int:
    return -item[1].dtype.itemsize


def _is_plain(array: Array) -> bool:
    return array.flags.c_contiguous and array.dtype.str in _NAMES


def _plain(array: Array) -> Array:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
