"""The bytes of one version: a header that describes them, then the raw arrays of its numbers.

    magic (16) | header length u64 | total length u64 | header JSON | arrays, each at a multiple of 64

Every byte, padding too, is under the xxh3-128 digest that the row keeps beside them; nothing is decoded before the
digest agrees. Little-endian on every machine. The header names the network and the version, so that bytes in the wrong
place are told from the right ones.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import xxhash

from service.errors import CorruptState
from service.storage.base import HostArray, NetworkState

__all__ = ["Buffer", "Encoded", "decode", "encode", "pack", "unpack"]

_MAGIC = b"gradwire state 1"
_LENGTHS = struct.Struct("<QQ")
_ALIGNMENT = 64
_KINDS = "fiu"

Buffer = bytes | memoryview
"""What bytes come in: a row, or a mapped file."""


@dataclass(frozen=True)
class Encoded:
    """What is to be written: the pieces in order, their length together and the digest over them."""

    pieces: Sequence[Buffer]
    nbytes: int
    digest: bytes
    recorded: bool = False
    """Whether it is the step that makes a version, and not the version's numbers."""

    def joined(self) -> bytes:
        """All pieces as one string of bytes."""
        return b"".join(self.pieces)


def encode(state: NetworkState, network: str, version: int) -> Encoded:
    """The bytes of `state`. Arrays that are contiguous and little-endian are not copied.

    Raises:
        TypeError: an array that is not of floats or integers.
    """
    arrays = {"parameters": state.parameters}
    arrays |= {f"optimizer.{name}": array for name, array in state.optimizer.items()}
    return pack(_MAGIC, {"network": network, "version": version, "optimizer_kind": state.optimizer_kind}, arrays)


def decode(data: Buffer, digest: bytes, network: str, version: int) -> NetworkState:
    """The numbers in `data`, as read-only views of it, once the digest agrees.

    Raises:
        CorruptState: the bytes are not the ones that were written, or are those of something else.
    """
    header, arrays = unpack(_MAGIC, data, digest, network, version)
    parameters = arrays.pop("parameters")
    optimizer = {name.removeprefix("optimizer."): array for name, array in arrays.items()}
    return NetworkState(parameters, header["optimizer_kind"], optimizer)


def pack(magic: bytes, document: Mapping[str, Any], arrays: Mapping[str, HostArray]) -> Encoded:
    """A document and arrays as bytes of the kind that `magic` names; the document has `network` and `version`."""
    plain = {name: _plain(array) for name, array in arrays.items()}
    header = _header(document, plain)
    total = len(header) + sum(_padded(array.nbytes) for array in plain.values())
    pieces: list[Buffer] = [magic + _LENGTHS.pack(len(header), total) + header[_PREFIX:]]
    for array in plain.values():
        pieces.append(array.reshape(-1).view(np.uint8).data)
        pieces.append(bytes(_padded(array.nbytes) - array.nbytes))
    return Encoded(pieces, total, _digest(pieces))


def unpack(
    magic: bytes, data: Buffer, digest: bytes, network: str, version: int
) -> tuple[dict[str, Any], dict[str, HostArray]]:
    """What was packed: the header's document, and the arrays as read-only views. Raises `CorruptState`."""
    what = f"version {version} of network {network}"
    if _digest([data]) != digest:
        raise CorruptState(f"the stored numbers of {what} are not the ones that were written: their digest differs")
    length, total = _LENGTHS.unpack_from(data, len(magic))
    header = orjson.loads(bytes(data[_PREFIX:length]).rstrip(b"\0"))
    if bytes(data[: len(magic)]) != magic or total != len(data):
        raise CorruptState(f"the stored numbers of {what} are in a form that is not known here")
    if (header["network"], header["version"]) != (network, version):
        raise CorruptState(f"in place of {what} there is version {header['version']} of {header['network']}")
    return header, dict(_views(data, length, header["arrays"]))


_PREFIX = len(_MAGIC) + _LENGTHS.size


def _header(document: Mapping[str, Any], arrays: Mapping[str, HostArray]) -> bytes:
    described = {**document, "arrays": [[name, array.dtype.str, array.shape] for name, array in arrays.items()]}
    body = bytes(_PREFIX) + orjson.dumps(described)
    return body + bytes(_padded(len(body)) - len(body))


def _views(data: Buffer, offset: int, arrays: Sequence[Any]) -> list[tuple[str, HostArray]]:
    views = []
    for name, dtype, shape in arrays:
        count = int(np.prod(shape, dtype=np.int64))
        view = np.frombuffer(data, np.dtype(dtype), count, offset).reshape(shape)
        view.flags.writeable = False
        views.append((name, view))
        offset += _padded(view.nbytes)
    return views


def _plain(array: HostArray) -> HostArray:
    if array.dtype.kind not in _KINDS:
        raise TypeError(f"arrays of {array.dtype} are not kept")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _padded(nbytes: int) -> int:
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT


def _digest(pieces: Sequence[Buffer]) -> bytes:
    total = xxhash.xxh3_128()
    for piece in pieces:
        total.update(piece)
    return total.digest()
