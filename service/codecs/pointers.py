"""JSON pointers (RFC 6901), and text from a client made safe to repeat; both are bounded and always encodable."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["excerpt", "join", "pointer"]

_LONGEST = 80


def pointer(*parts: str | int) -> str:
    """The JSON pointer of a place in a document: `pointer("inputs", 3, 7)` is `/inputs/3/7`."""
    return join("", parts)


def join(base: str, parts: Iterable[str | int]) -> str:
    """A pointer that goes on from `base`; a field name that is too long to repeat is cut."""
    return base + "".join("/" + excerpt(part).replace("~", "~0").replace("/", "~1") for part in parts)


def excerpt(value: object, longest: int = _LONGEST) -> str:
    """At most `longest` characters of a client's text, control characters and lone surrogates escaped."""
    text = str(value)
    head = text if len(text) <= longest else text[: longest - 3] + "..."
    if head.isprintable():
        return head
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in head)[: 2 * longest]
