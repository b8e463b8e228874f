"""Which media type a body is in and which one an answer gets; both are decided before any byte is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from service.codecs.pointers import excerpt
from service.errors import MalformedBody, NotAcceptable, UnsupportedMediaType

__all__ = ["JSON", "PROBLEM", "SAFETENSORS", "SUPPORTED", "content_type", "negotiate"]

JSON: Final = "application/json"
SAFETENSORS: Final = "application/vnd.safetensors"
PROBLEM: Final = "application/problem+json"
SUPPORTED: Final = (JSON, SAFETENSORS)

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
# Possessive throughout: a hostile header must not make the matcher try every way to share out its blanks.
_PARAMETER = rf"""[ \t]*+;[ \t]*+(?:({_WORD}+)=({_WORD}+|"(?:[^"\\]|\\.)*+"))?+"""
_RANGE = re.compile(rf"[ \t]*+({_WORD}+/{_WORD}+)((?:{_PARAMETER})*+)[ \t]*+(?:,|$)")
_EMPTY = re.compile(r"[ \t]*+(?:,|$)")
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_CHARSETS = frozenset({"utf-8", "utf8"})


class _Range(NamedTuple):
    """One element of a list of media types, in lower case, its parameters unquoted."""

    media: str
    parameters: dict[str, str]


_LONGEST_KEPT: Final = 200
"""Characters of a header up to which what was read in it is kept: clients send the same few again and again."""


def content_type(header: str | None, supported: tuple[str, ...] = SUPPORTED) -> str:
    """The media type of a body, without parameters.

    Raises:
        UnsupportedMediaType: no header, a type that is not in `supported`, or a charset other than UTF-8.
        MalformedBody: a supported type whose parameters cannot be read.
    """
    short = header is None or len(header) <= _LONGEST_KEPT
    return (_content_type if short else _content_type.__wrapped__)(header, supported)


@lru_cache(maxsize=64)
def _content_type(header: str | None, supported: tuple[str, ...]) -> str:
    named = (header or "").partition(";")[0].strip().lower()
    if named not in supported:
        said = f"The body's media type {excerpt(named)!r} is" if named else "A body without a Content-Type is"
        raise UnsupportedMediaType(f"{said} not spoken here: use {' or '.join(supported)}.", tuple(supported))
    ranges = list(_ranges(header or "", "Content-Type"))
    if len(ranges) != 1:
        raise MalformedBody("The Content-Type header names more than one media type.")
    charset = ranges[0].parameters.get("charset", "utf-8").lower()
    if charset not in _CHARSETS:
        raise UnsupportedMediaType(f"The charset {excerpt(charset)!r} is not spoken here: use utf-8.", tuple(supported))
    return named


def negotiate(accept: str | None, request_type: str = JSON, available: tuple[str, ...] = SUPPORTED) -> str:
    """The media type of the answer, by RFC 9110's rules: the most specific range that names a type gives its quality.

    The highest quality wins; then a type that is named rather than met by a wildcard; then the type of the request;
    then the order of `available`.

    Raises:
        NotAcceptable: no available type is allowed.
        MalformedBody: the header cannot be read.
    """
    short = accept is None or len(accept) <= _LONGEST_KEPT
    return (_negotiate if short else _negotiate.__wrapped__)(accept, request_type, available)


@lru_cache(maxsize=256)
def _negotiate(accept: str | None, request_type: str, available: tuple[str, ...]) -> str:
    if accept is None or not accept.strip():
        accept = "*/*"
    ranges = list(_ranges(accept, "Accept"))
    ranked = [(*_preference(media, ranges), media == request_type, -place) for place, media in enumerate(available)]
    best = max(ranked, default=(0.0, 0, False, 0))
    if best[0] <= 0:
        raise NotAcceptable(f"The answer can be had as {' or '.join(available)}.", tuple(available))
    return available[-best[3]]


def _preference(media: str, ranges: Sequence[_Range]) -> tuple[float, int]:
    """The quality of a type, and how specific the range is that gives it (2 named, 1 its family, 0 any)."""
    family = media.partition("/")[0] + "/*"
    for specificity, wanted in ((2, media), (1, family), (0, "*/*")):
        qualities = [float(found.parameters.get("q", "1")) for found in ranges if found.media == wanted]
        if qualities:
            return max(qualities), specificity
    return 0.0, 0


def _ranges(header: str, name: str) -> Iterator[_Range]:
    """The media types of a header, one after another; empty elements of the list are allowed, as RFC 9110 asks."""
    at = 0
    while at < len(header):
        if empty := _EMPTY.match(header, at):
            at = empty.end()
            continue
        found = _RANGE.match(header, at)
        if found is None:
            raise MalformedBody(f"The {name} header cannot be read from character {at} on.")
        parameters = {key.lower(): value.strip('"') for key, value in re.findall(_PARAMETER, found.group(2)) if key}
        if not _QUALITY.fullmatch(parameters.get("q", "1")):
            raise MalformedBody(f"The {name} header has a quality that is not a number from 0 to 1.")
        yield _Range(found.group(1).lower(), parameters)
        at = found.end()
