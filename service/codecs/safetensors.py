"""Safetensors bodies, read: every byte of the header is checked before an array is made, and arrays are views of the body.

The format: 8 bytes of header length (little-endian), a JSON header `{name: {"dtype", "shape", "data_offsets"}}` with an
optional `__metadata__` of strings, then the tensors, without holes. Source: huggingface/safetensors, README "Format".
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeGuard

import numpy as np
import numpy.typing as npt
import orjson

from service.codecs import json, names
from service.codecs.pointers import excerpt
from service.codecs.strict import REPEATED
from service.errors import Fault, InvalidInput, MalformedBody, TooLarge

__all__ = ["DTYPES", "MAX_HEADER", "MAX_TENSORS", "parse"]

MAX_HEADER: Final = 1_000_000
MAX_TENSORS: Final = 8192
MAX_DIMENSIONS: Final = 8

_METADATA = "__metadata__"
DTYPES: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
}
_KEPT: Final = 4096
"""Bytes of a header up to which what it says is kept."""
_EMPTY: Final = {np.dtype(code): np.empty(0, code) for code in DTYPES.values()}

Array = npt.NDArray[Any]


class _Tensor(NamedTuple):
    """A tensor of a header that was checked, ready to be seen in the data."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    numbers: int


class _Layout(NamedTuple):
    """All that a header says."""

    tensors: tuple[_Tensor, ...]
    options: bytes | None
    """The JSON text of the fields that are not arrays."""
    is_flat: bool
    """Whether every tensor is a field of the document itself."""


class _Entry(NamedTuple):
    """Where a tensor lies in the data, as the header says it."""

    begin: int
    end: int
    name: str
    dtype: str
    shape: list[int]


def parse(body: bytes | bytearray) -> dict[str, Any]:
    """The document in a safetensors body; its array leaves are read-only views of `body`.

    F16, F32 and F64 are read as they are; integer tensors too, which only class labels may be.

    Raises:
        MalformedBody: not safetensors: lengths, offsets or the header do not fit.
        InvalidInput: it is, with a wrong name, a repeated field, a dtype that is not read here; with pointers.
        TooLarge: a header over 1 MB, or too many tensors.
    """
    start = _header_end(body)
    text = bytes(body[8:start])
    layout = (_layout if start <= _KEPT else _layout.__wrapped__)(text, len(body) - start)
    data = memoryview(body).toreadonly()
    tensors = {tensor.name: _view(tensor, data, start) for tensor in layout.tensors}
    options = {} if layout.options is None else json.parse(layout.options, "The safetensors metadata")
    if layout.is_flat and options.keys().isdisjoint(tensors):
        return {**options, **tensors}
    return names.nest(tensors, options)


@lru_cache(maxsize=256)
def _layout(text: bytes, size: int) -> _Layout:
    """What a header says of `size` bytes of data. Clients send the same few headers again and again."""
    header = _header(text)
    metadata = header.pop(_METADATA, {})
    if len(header) > MAX_TENSORS:
        raise TooLarge(
            f"There are {len(header)} tensors; the limit is {MAX_TENSORS}.",
            {"tensors": len(header), "limit": MAX_TENSORS},
        )
    entries = sorted(_entry(name, value) for name, value in header.items())
    _require_whole(entries, size)
    names.require_names(header)
    for entry in entries:
        if entry.dtype not in DTYPES:
            detail = f"The dtype {excerpt(entry.dtype)!r} is not read here: use F32 or F64."
            raise InvalidInput.of(Fault(names.locate(entry.name, header), detail))
    places = {entry.name: entry for entry in entries}
    is_flat = all("." not in name and name != "layer" for name in header)
    return _Layout(tuple(_tensor(places[name]) for name in header), _options(metadata), is_flat)


def _header_end(body: bytes | bytearray) -> int:
    """Where the data begins."""
    if len(body) < 8:
        raise _broken(f"{len(body)} bytes are too few for a header's length.")
    length = int.from_bytes(body[:8], "little")
    if length > len(body) - 8:
        raise _broken(f"a header of {length} bytes does not fit into it.")
    if length > MAX_HEADER:
        detail = f"The safetensors header has {length} bytes; the limit is {MAX_HEADER}."
        raise TooLarge(detail, {"header_bytes": length, "limit": MAX_HEADER})
    if body[8:9] != b"{":
        raise _broken("its header does not begin with a brace.")
    return 8 + length


def _header(text: bytes) -> dict[str, Any]:
    try:
        return json.parse(text, "The safetensors header")
    except InvalidInput as error:
        first = error.faults[0]
        # The same name twice is a field that is given twice; anything else that is wrong here is no header at all.
        if first.detail != REPEATED or first.pointer.count("/") != 1:
            raise _broken(f"in its header, at {first.pointer or 'the top'}: {first.detail}") from None
        known = [name for name in orjson.loads(text) if names.is_name(name)]
        place = names.locate(first.pointer[1:], known) if first.pointer[1:] in known else first.pointer
        raise InvalidInput.of(Fault(place, first.detail)) from None


def _entry(name: str, value: object) -> _Entry:
    """A tensor's line of the header; types, signs and the size are checked, the place in the data is not yet."""
    if isinstance(value, dict) and value.keys() == {"dtype", "shape", "data_offsets"}:
        dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
        if isinstance(dtype, str) and _is_shape(shape) and _naturals(offsets, 2) and len(offsets) == 2:
            return _Entry(offsets[0], offsets[1], name, dtype, shape)
    raise _broken(f"the header's entry for {excerpt(name)!r} is not a dtype, a shape and two offsets.")


def _is_shape(value: object) -> TypeGuard[list[int]]:
    # An empty tensor's other sides are bounded too: NumPy fails on [0, 2^40, 2^40].
    return _naturals(value, MAX_DIMENSIONS) and math.prod(side or 1 for side in value) <= 2**48


def _naturals(value: object, most: int) -> TypeGuard[list[int]]:
    return isinstance(value, list) and len(value) <= most and all(type(item) is int and item >= 0 for item in value)


def _require_whole(entries: list[_Entry], size: int) -> None:
    """The tensors, in the order of their offsets, fill the data exactly, and each has its shape's size."""
    end = 0
    for entry in entries:
        if entry.begin != end or entry.end < entry.begin:
            raise _broken(f"the tensor {excerpt(entry.name)!r} does not begin where the last one ends.")
        end = entry.end
        known = entry.dtype in DTYPES
        if known and math.prod(entry.shape) * np.dtype(DTYPES[entry.dtype]).itemsize != entry.end - entry.begin:
            raise _broken(f"the tensor {excerpt(entry.name)!r} has not the size of its shape.")
    if end != size:
        raise _broken(f"its tensors take {end} bytes of {size}.")


def _tensor(entry: _Entry) -> _Tensor:
    dtype = np.dtype(DTYPES[entry.dtype])
    return _Tensor(entry.name, dtype, tuple(entry.shape), entry.begin, (entry.end - entry.begin) // dtype.itemsize)


def _view(tensor: _Tensor, data: memoryview, start: int) -> Array:
    flat: Array = (
        np.frombuffer(data, tensor.dtype, tensor.numbers, start + tensor.begin)
        if tensor.numbers
        else _EMPTY[tensor.dtype]
    )
    array = flat.reshape(tensor.shape)
    return array if array.flags.aligned else array.copy()


def _options(metadata: object) -> bytes | None:
    """The fields that are not arrays. Other entries of the metadata belong to other programs."""
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _broken("its metadata is not an object of strings.")
    return metadata["json"].encode("utf-8") if "json" in metadata else None


def _broken(why: str) -> MalformedBody:
    return MalformedBody(f"The body is not safetensors: {why}")
