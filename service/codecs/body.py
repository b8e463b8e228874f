"""The bytes of a request's body, counted while they arrive and while they expand: never more than the limit is held.

A body that comes in parts goes into one buffer, so that it is in memory once.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from service.codecs.headers import header_values
from service.codecs.pointers import excerpt
from service.errors import MalformedBody, TooLarge, UnsupportedMediaType

__all__ = ["ENCODINGS", "Bytes", "read_body"]

Bytes = bytes | bytearray

_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's `wbits` for each content encoding: with gzip's header, and with zlib's (RFC 9110, 8.4.1)."""
ENCODINGS: Final = ("gzip", "deflate", "identity")
_MEMBERS: Final = {"gzip": 64, "x-gzip": 64, "deflate": 1}
_AT_ONCE: Final = 8 * 2**20
"""Bytes of a buffer that are there before the body is: a client that announces more has to send it first."""
_PIECE: Final = 2**20


async def read_body(request: Request, limit: int) -> Bytes:
    """The whole body, at most `limit` bytes of it as it comes and as it is when it has been decoded.

    Raises:
        TooLarge: more than `limit` bytes; where Content-Length says so, before any of them is read.
        UnsupportedMediaType: a content encoding other than gzip, deflate and identity.
        MalformedBody: a Content-Length that is not a number, or bytes that are not in their encoding.
    """
    encoding = _encoding(header_values(request, b"content-encoding"))
    announced = _announced(header_values(request, b"content-length"))
    _require_room(announced, limit)
    body: Bytes
    body, more = _part(await request.receive())
    _require_room(len(body), limit)
    if more:
        body = await _joined(request, body, announced, limit)
    return body if encoding == "identity" or not body else await asyncio.to_thread(_decoded, body, encoding, limit)


async def _joined(request: Request, first: bytes, announced: int, limit: int) -> bytearray:
    """The whole body, which goes on behind its first part."""
    buffer = bytearray(min(announced, _AT_ONCE))
    buffer[: len(first)] = first
    received, more = len(first), True
    while more:
        part, more = _part(await request.receive())
        _require_room(received + len(part), limit)
        buffer[received : received + len(part)] = part  # past the end, it grows
        received += len(part)
    del buffer[received:]
    return buffer


def _part(message: Message) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def _announced(headers: Sequence[str]) -> int:
    if not headers:
        return 0
    header = headers[0]
    # Python's int() takes signs, underscores and other scripts' digits; HTTP does not.
    if not (header.isascii() and header.isdigit() and len(header) <= 20):
        raise MalformedBody("The Content-Length header is not a number of bytes.")
    return int(header)


def _require_room(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(
            f"The body has {size} bytes or more; the limit is {limit} bytes.", {"bytes": size, "limit": limit}
        )


def _encoding(headers: Sequence[str]) -> str:
    if not headers:
        return "identity"
    named = [part.strip().lower() for part in ",".join(headers).split(",")]
    applied = [name for name in named if name not in {"", "identity"}]
    if not applied:
        return "identity"
    if len(applied) > 1 or applied[0] not in _WINDOWS:
        text = excerpt(",".join(headers))
        raise UnsupportedMediaType(f"The content encoding {text!r} is not spoken here: use gzip or deflate.", ENCODINGS)
    return applied[0]


def _decoded(body: Bytes, encoding: str, limit: int) -> bytearray:
    """The body without its encoding."""
    expanded = bytearray()
    try:
        for piece in _pieces(memoryview(body), encoding):
            expanded += piece
            _require_room(len(expanded), limit)
    except zlib.error as error:
        raise MalformedBody(f"The body is not {encoding}: {excerpt(error, 100)}.") from None
    return expanded


def _pieces(body: memoryview, encoding: str) -> Iterator[bytes]:
    """What the body expands to, piece by piece; gzip's may have several members, one after another (RFC 1952, 2.2)."""
    decoder, members = zlib.decompressobj(_WINDOWS[encoding]), 1
    for at in range(0, len(body), _PIECE):
        rest: bytes | memoryview = body[at : at + _PIECE]
        while rest:
            if decoder.eof:
                decoder, members = zlib.decompressobj(_WINDOWS[encoding]), members + 1
            if members > _MEMBERS[encoding]:
                raise MalformedBody(f"Something stands after the end of the body's {encoding} stream.")
            yield from _expanded(decoder, rest)
            rest = decoder.unused_data
    if not decoder.eof:
        raise MalformedBody(f"The body's {encoding} stream breaks off.")


def _expanded(decoder: zlib._Decompress, data: bytes | memoryview) -> Iterator[bytes]:
    piece = decoder.decompress(data, _PIECE)
    while piece:
        yield piece
        piece = b"" if decoder.eof else decoder.decompress(decoder.unconsumed_tail, _PIECE)
