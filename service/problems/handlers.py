"""Problems as responses: the layer that answers for every exception of what is inside of it."""

from __future__ import annotations

import logging
from typing import Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import CoreError
from service.codecs.media import PROBLEM
from service.codecs.pointers import excerpt
from service.errors import Overloaded, ServiceError
from service.logs import REQUEST_ID
from service.problems.faces import face_of

__all__ = ["STATUS", "Problems", "respond"]

STATUS: Final = "gradwire.status"
"""Where the scope of a request has the status of its answer, once that has begun."""

_log = logging.getLogger(__name__)
_FORESEEN: Final = (ServiceError, CoreError, MemoryError, HTTPException)


class Problems:
    """Answers failures with problems: ours, Starlette's own (404, 405 with `Allow`), and any other.

    What nobody foresaw is raised again after its answer, so that the server logs the traceback; so is what happens when
    an answer has begun, which the server then breaks off.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            await Response(status_code=499)(scope, receive, send)  # nobody reads it; the number is for the metrics
        except Exception as error:
            if scope["type"] != "http" or STATUS in scope:
                raise
            response = respond(error)
            # Refusing what is too much is no fault, and a line for each would be more of it.
            if response.status_code >= 500 and not isinstance(error, Overloaded):
                place = f"{scope['method']} {excerpt(scope['path'], 200)}"
                _log.error("%s: %s: %s", place, type(error).__name__, excerpt(error, 500))
            await response(scope, receive, send)
            if not isinstance(error, _FORESEEN):
                raise
            # One that is raised again and again, as of a store that has stopped, would gather tracebacks.
            error.__traceback__ = None


def respond(error: Exception) -> Response:
    """The response to a failure, whatever type was asked for."""
    face = face_of(error)
    request = REQUEST_ID.get()
    document = {**face.document, "request_id": request} if request else face.document
    return Response(orjson.dumps(document), face.kind.status, dict(face.headers), media_type=PROBLEM)
