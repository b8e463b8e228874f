"""Whether a request may come in, and the service as whoever sent it sees it.

Behind the gate there is no other service than the one of the caller: what forgets to ask fails, and lets nobody in.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable
from time import monotonic
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service.access import ANONYMOUS, Caller, Door
from service.errors import NotFound, Overloaded
from service.front import CALLER
from service.operations.service import Service
from service.operations.views import seen_by
from service.settings import Settings

__all__ = ["ARRIVED", "Gate"]

ARRIVED: Final = "gradwire.arrived"
"""Where the scope of a request has the time at which its first bytes were read, on `time.monotonic`."""

_TOO_LATE: Final = 5.0
"""Seconds that a request may wait for the event loop; whoever sent it has given up, or soon will."""
_NEVER_LATE: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class Gate:
    """Lets requests in, each with the view of the service that its key has.

    The state of a request (`scope["state"]`) has the whole service as `running` before, and the caller's as `service`
    behind it.

    Args:
        app: what answers.
        door: the keys.
        settings: which pages are open.
    """

    def __init__(self, app: ASGIApp, door: Door, settings: Settings) -> None:
        self._app = app
        self._door = door
        rest = {"/healthz": "open", "/readyz": "open", "/metrics": settings.metrics}
        self._rules = {**rest, "/docs": settings.docs, "/openapi.json": settings.docs}
        self._views: dict[Caller, Service] = {}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request, or raise why it is not let in."""
        if scope["type"] == "http":
            scope["state"]["service"] = self._enter(scope)
        return self._app(scope, receive, send)

    def _enter(self, scope: Scope) -> Service:
        now = monotonic()
        path: str = scope["path"]
        rule = "key" if path.startswith("/v1/") else self._rule(path)
        if rule == "off":
            raise NotFound("There is nothing at this path.")
        caller = ANONYMOUS
        if rule == "key":
            caller = self._door.admit(scope["headers"], now)
            if caller.key:
                scope[CALLER] = caller.key
        late = now - scope.get(ARRIVED, now)
        if late > _TOO_LATE and path not in _NEVER_LATE:
            raise Overloaded(f"The request has waited for {late:.1f} s before its turn came.", math.ceil(late))
        return self._view(caller, scope["state"]["running"])

    def _rule(self, path: str) -> str:
        if path.startswith("/problems/"):
            return "open"
        return self._rules.get("/docs" if path.startswith("/docs/") else path, "key")

    def _view(self, caller: Caller, running: Service) -> Service:
        view = self._views.get(caller)
        if view is None:
            if len(self._views) > len(self._door):
                self._views.clear()  # of callers whose keys were revoked or changed
            limits = caller.limits
            view = self._views[caller] = seen_by(running, caller.owner, limits.max_networks, limits.max_parameters)
        return view
