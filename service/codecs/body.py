"""The bytes of a request's body, counted while they arrive: never more than the limit is held."""

from __future__ import annotations

from starlette.requests import Request

from service.codecs.pointers import excerpt
from service.errors import MalformedBody, TooLarge, UnsupportedMediaType

__all__ = ["read_body"]


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes of it, whether it came with a Content-Length or in chunks.

    Raises:
        TooLarge: more than `limit` bytes; where Content-Length says so, before any of them is read.
        UnsupportedMediaType: a content encoding other than identity.
        MalformedBody: a Content-Length that is not a number.
    """
    _require_identity(",".join(request.headers.getlist("content-encoding")))
    _require_room(_announced(request.headers.get("content-length")), limit)
    chunks: list[bytes] = []
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        _require_room(received, limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _announced(header: str | None) -> int:
    if header is None:
        return 0
    # Python's int() takes signs, underscores and other scripts' digits; HTTP does not.
    if not (header.isascii() and header.isdigit() and len(header) <= 20):
        raise MalformedBody("The Content-Length header is not a number of bytes.")
    return int(header)


def _require_room(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(
            f"The body has {size} bytes or more; the limit is {limit} bytes.", {"bytes": size, "limit": limit}
        )


def _require_identity(header: str) -> None:
    encodings = [part.strip().lower() for part in header.split(",") if part.strip()]
    if any(encoding != "identity" for encoding in encodings):
        raise UnsupportedMediaType(
            f"The content encoding {excerpt(header)!r} is not spoken here: send the body as it is.", ("identity",)
        )
