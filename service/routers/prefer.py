"""The `Prefer` header (RFC 7240): whether a client would rather have a job than wait, and for how long it would wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from service.codecs.headers import header_values
from service.errors import MalformedBody

__all__ = ["PATTERN", "Preference", "preference"]


def _element(only: str) -> str:
    """One element of the list, which may be empty; with `only` = "+", a matcher reads nothing in it twice."""
    blanks, word = rf"[ \t]*{only}", rf"[!#$%&'*+.^_`|~0-9A-Za-z-]+{only}"
    value = rf"""(?:{word}|"(?:[^"\\]|\\.)*{only}")"""
    parameter = rf"{word}(?:{blanks}={blanks}(?:{value})?{only})?{only}"
    parameters = rf"(?:{blanks};{blanks}(?:{parameter})?{only})*{only}"
    return rf"{blanks}(?:({word})(?:{blanks}={blanks}({value})?{only})?{only}{parameters})?{only}{blanks}"


_ELEMENT: Final = re.compile(rf"{_element('+')}(?:,|\Z)")
PATTERN: Final = rf"^{_element('')}(?:,{_element('')})*$"
"""The whole header in the dialect of OpenAPI, which has no possessive quantifiers."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Preference:
    """A job rather than an answer that keeps the client waiting."""

    wait: int = 0
    """Seconds for which the client would wait for the answer first."""

    @property
    def applied(self) -> str:
        """For `Preference-Applied`, where it has become a job."""
        return f"respond-async, wait={self.wait}" if self.wait else "respond-async"


def preference(request: Request) -> Preference | None:
    """What `Prefer` asks for; None: an answer, however long it takes. What is not known here is ignored.

    Raises:
        MalformedBody: the header cannot be read, or `wait` is not a number of seconds.
    """
    values = header_values(request, b"prefer")
    if not values:
        return None
    found = _elements(",".join(values))
    if "respond-async" not in found:
        return None
    seconds = found.get("wait", "0")
    if not _SECONDS.fullmatch(seconds):
        raise MalformedBody("The wait in the Prefer header is not a number of seconds.")
    return Preference(int(seconds))


def _elements(text: str) -> dict[str, str]:
    """The preferences by their names in lower case; of one that is there twice the first counts (RFC 7240, 2)."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        element = _ELEMENT.match(text, at)
        if element is None:
            raise MalformedBody("The header Prefer is not a list of preferences.")
        if element[1]:
            found.setdefault(element[1].lower(), (element[2] or "").strip('"'))
        at = element.end()
    return found
