"""A request's headers by name: gone through once, however many of them are asked for."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, Final

from starlette.requests import Request

__all__ = ["by_name", "header_values"]

_BY_NAME: Final = "gradwire.headers"
"""Where the scope of a request has its headers as a dict."""


def by_name(scope: MutableMapping[str, Any]) -> dict[bytes, bytes]:
    """The headers by their names in lower case; of one that is there more than once, the last."""
    found: dict[bytes, bytes] | None = scope.get(_BY_NAME)
    if found is None:
        found = scope[_BY_NAME] = dict(scope["headers"])
    return found


def header_values(request: Request, name: bytes) -> Sequence[str]:
    """The values of a header, in order; `name` in lower case."""
    scope = request.scope
    found = scope.get(_BY_NAME) or by_name(scope)
    value = found.get(name)
    if value is None:
        return ()
    headers = scope["headers"]
    if len(found) == len(headers):  # none is there twice
        return (value.decode("latin-1"),)
    return [value.decode("latin-1") for key, value in headers if key == name]
