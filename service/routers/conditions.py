"""The conditions that a request's headers put on it: which version it may replace, and whether it was sent before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import xxhash
from starlette.requests import Request

from service.codecs.body import Bytes
from service.codecs.headers import header_values
from service.engine.base import Guard
from service.errors import MalformedBody

__all__ = ["etag", "guard", "key_of", "matches_none", "single_header"]

_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ELEMENT: Final = re.compile(rf"[ \t]*+({_TAG})?[ \t]*+(?:,|\Z)")
"""One element of a list, which may be empty (RFC 9110, 5.6.1); nothing in it is read twice."""
_VERSION: Final = re.compile(r'"(0|[1-9][0-9]{0,15})"')
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def guard(request: Request, body: Bytes = b"", media: str = "") -> Guard:
    """The guard of a write, from `If-Match` and `Idempotency-Key`.

    The fingerprint covers the method, path, query, media type and bytes of the body. `If-Match` is left out: a client
    that retries may have learned the version that its own first attempt made, and the key is looked up before it.

    Raises:
        MalformedBody: a header that cannot be read, or a key that is there twice.
    """
    key = key_of(request)
    tags = _tags(request, b"if-match")
    fingerprint = "" if key is None else _fingerprint(request, body, media)
    if tags is None or tags == "*":
        return Guard(tags, key, fingerprint)
    return Guard(frozenset(_versions(tags)), key, fingerprint)


def key_of(request: Request) -> str | None:
    """The `Idempotency-Key`.

    Raises:
        MalformedBody: it is none, or is there twice.
    """
    key = single_header(request, b"idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise MalformedBody("The Idempotency-Key header is not 1 to 255 visible ASCII characters.")
    return key


def matches_none(request: Request, version: int) -> bool:
    """Whether `If-None-Match` lets the answer be sent: False means that the client has this version (304)."""
    tags = _tags(request, b"if-none-match")
    if tags is None:
        return True
    return tags != "*" and version not in _versions([tag.removeprefix("W/") for tag in tags])


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def single_header(request: Request, name: bytes) -> str | None:
    """A header that may be there once; `name` in lower case.

    Raises:
        MalformedBody: it is there twice, so that which one counts is anybody's guess.
    """
    values = header_values(request, name)
    if len(values) > 1:
        raise MalformedBody(f"The header {name.decode()} is there {len(values)} times.")
    return values[0] if values else None


def _tags(request: Request, name: bytes) -> list[str] | Literal["*"] | None:
    values = header_values(request, name)
    if not values:
        return None
    text = ",".join(values).strip()
    if text == "*":
        return "*"
    tags, at = [], 0
    while at < len(text):
        element = _ELEMENT.match(text, at)
        if element is None:
            raise _unreadable(name)
        tags += [element[1]] if element[1] else []
        at = element.end()
    if not tags:
        raise _unreadable(name)
    return tags


def _unreadable(name: bytes) -> MalformedBody:
    return MalformedBody(f"The header {name.decode()} is neither * nor a list of entity tags in quotes.")


def _versions(tags: Sequence[str]) -> set[int]:
    """The versions that strong tags name; a weak tag matches no write (RFC 9110, 13.1.1), another text no version."""
    return {int(found[1]) for tag in tags if (found := _VERSION.fullmatch(tag))}


def _fingerprint(request: Request, body: Bytes, media: str) -> str:
    digest = xxhash.xxh3_128()
    scope = request.scope
    for part in (request.method.encode(), scope["raw_path"], scope["query_string"], media.encode()):
        digest.update(len(part).to_bytes(8, "little") + part)
    digest.update(body)
    return digest.hexdigest()
