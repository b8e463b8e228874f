"""Query parameters, read as strictly as bodies: an unknown, a repeated or an unreadable one is refused by its name."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from starlette.requests import Request

from service.codecs.pointers import excerpt, pointer
from service.errors import Fault, InvalidInput

__all__ = ["LARGEST", "known", "natural"]

LARGEST: Final = 2**53 - 1
"""The largest integer that every JSON client keeps."""

_DIGITS: Final = re.compile(r"[0-9]{1,16}")


def known(request: Request, names: Collection[str] = ()) -> dict[str, str]:
    """The query parameters, each of which is in `names` and there once.

    Raises:
        InvalidInput: with a pointer to each that is not.
    """
    if not request.scope["query_string"]:
        return {}
    faults = []
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in names:
            faults.append(_fault(name, f"There is no query parameter {excerpt(name)!r} here."))
        elif name in found:
            faults.append(_fault(name, f"The query parameter {name!r} is there more than once."))
        found[name] = value
    if faults:
        raise InvalidInput(faults[0].detail, tuple(faults))
    return found


def natural(query: dict[str, str], name: str, *, least: int = 0, most: int = LARGEST) -> int | None:
    """A whole number in a range, or None where the parameter is absent.

    Raises:
        InvalidInput: it is something else.
    """
    text = query.get(name)
    if text is None:
        return None
    if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
        fault = _fault(name, f"The query parameter {name!r} is not a whole number from {least} to {most}.")
        raise InvalidInput(fault.detail, (fault,))
    return int(text)


def _fault(name: str, detail: str) -> Fault:
    return Fault(pointer(excerpt(name)), detail)
