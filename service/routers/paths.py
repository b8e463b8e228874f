"""Routes that are told from each other by their fixed parts, without a regular expression for each.

Invariant: a route matches what Starlette's own route of the same path matches (but for a line end after it, which a regular
expression's `$` forgives); a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["PathRoute", "Routes"]

_NOT_THIS: Final[tuple[Match, Scope]] = (Match.NONE, {})


class PathRoute(Route):
    """One path and the application that answers all of its methods.

    Paths with one parameter are decided here; the regular expression decides where there are more.
    """

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path, app)
        self._before, _, rest = path.partition("{")
        self._name, _, self._after = rest.partition("}")
        self._is_plain = "{" not in rest and ":" not in rest
        if not self._is_plain:
            self._after = ""
        self._fixed = len(self._before) + len(self._after)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for this path; its parameters are in the scope that comes back."""
        if scope["type"] != "http" or scope.get("root_path"):
            return super().matches(scope)
        path: str = scope["path"]
        if not path.startswith(self._before) or not path.endswith(self._after):
            return _NOT_THIS
        if not self._is_plain:
            return super().matches(scope)
        if not self._name:
            return (Match.FULL, {"endpoint": self.endpoint, "path_params": {}}) if path == self.path else _NOT_THIS
        value = path[len(self._before) : len(path) - len(self._after)]
        if len(path) <= self._fixed or "/" in value:
            return _NOT_THIS
        return Match.FULL, {"endpoint": self.endpoint, "path_params": {self._name: value}}


class Routes:
    """What of FastAPI's router such routes need: the first one that matches answers, and nothing is told of it.

    Args:
        routes: in the order in which they are asked.
        rest: for whatever is no request over HTTP.
    """

    def __init__(self, routes: Sequence[PathRoute], rest: ASGIApp) -> None:
        self._routes = routes
        self._rest = rest

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request. Raises `HTTPException` (404) where no route matches."""
        if scope["type"] != "http":
            return self._rest(scope, receive, send)
        for route in self._routes:
            match, found = route.matches(scope)
            if match is not Match.NONE:
                scope.update(found)
                return route.app(scope, receive, send)
        raise HTTPException(404)
