"""One endpoint is one piece of data: what answers it, and all that the OpenAPI document says of it.

Routes and the OpenAPI document are made from the same list, so that neither can name what the other lacks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.codecs.media import JSON, SAFETENSORS
from service.routers.paths import PathRoute

__all__ = ["TEMPLATE", "Answer", "Endpoint", "Parameter", "routes"]

Handler = Callable[[Request], Awaitable[Response]]

TEMPLATE: Final = "gradwire.path"
"""Where the scope of a request has the path of its endpoint, with the names of parameters in place of their values."""


@dataclass(frozen=True)
class Parameter:
    """A query parameter or header, as OpenAPI describes it."""

    name: str
    where: str
    description: str
    schema: Mapping[str, Any]
    example: Any = None


@dataclass(frozen=True)
class Answer:
    """What a successful call answers."""

    status: int
    description: str
    model: type[BaseModel] | None = None
    headers: Sequence[str] = ()
    media: Sequence[str] = (JSON, SAFETENSORS)
    """The media types of the body; for an answer without a model, empty where there is no body."""
    described: Mapping[str, Any] | None = None
    """OpenAPI's response object, where the rest cannot say it."""


@dataclass(frozen=True)
class Endpoint:
    """A method on a path: its handler and its description."""

    method: str
    path: str
    handler: Handler
    operation: str
    tag: str
    summary: str
    answer: Answer
    description: str = ""
    request: type[BaseModel] | None = None
    parameters: Sequence[Parameter] = ()
    problems: Sequence[str] = ()
    """The slugs of what can go wrong; that any other can, such as `internal`, goes without saying."""
    not_modified: bool = False
    """Whether `If-None-Match` is answered with 304."""
    also: Mapping[int, str] = field(default_factory=dict)
    """What else a call that succeeds may answer, without a body: statuses and what they mean."""
    deferred: Mapping[str, Any] | None = None
    """Where `Prefer: respond-async` makes it a job (202): examples of that answer."""
    examples: Mapping[str, Any] = field(default_factory=dict)
    """Request bodies by name, each of which works on the network of the `createNetwork` example."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """Answers by name; one that has the name of a request's example is what that example is answered."""
    open: bool = False
    """Whether it never asks for a key."""
    listed: bool = True
    """Whether the OpenAPI document names it; the page that shows the document does not describe itself."""


class _Request(Request):
    """Starlette's, without a look at whether the scope is that of a request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._stream_consumed = self._is_disconnected = False


class _Resource:
    """All methods of one path: an unknown one is refused with 405 and `Allow`, and OPTIONS says what there is."""

    def __init__(self, path: str, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        self._allow = ", ".join(sorted({*self._handlers, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[TEMPLATE] = self._path
        handler = self._handlers.get(scope["method"])
        response = self._other(scope["method"]) if handler is None else await handler(_Request(scope, receive, send))
        await response(scope, receive, send)

    def _other(self, method: str) -> Response:
        if method == "OPTIONS":
            return Response(status_code=204, headers={"allow": self._allow})
        raise HTTPException(405, headers={"allow": self._allow})


def routes(endpoints: Iterable[Endpoint]) -> list[PathRoute]:
    """One route a path: those that compute first, then in the order in which the paths are first named."""
    endpoints = list(endpoints)
    computing = {endpoint.path for endpoint in endpoints if endpoint.tag == "Computing"}
    by_path: dict[str, dict[str, Handler]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint.handler
    made = [PathRoute(path, _Resource(path, handlers)) for path, handlers in by_path.items()]
    return sorted(made, key=lambda route: route.path not in computing)
