"""Problems as responses, for every exception that leaves a route."""

from __future__ import annotations

import logging

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from core.errors import CoreError
from service.codecs.media import PROBLEM
from service.codecs.pointers import excerpt
from service.errors import Overloaded, ServiceError
from service.logs import REQUEST_ID
from service.problems.faces import face_of

__all__ = ["install", "respond"]

_log = logging.getLogger(__name__)


def install(app: Starlette) -> None:
    """Answer every failure of `app` with a problem: ours, Starlette's own (404, 405 with `Allow`), and any other."""
    for kind in (ServiceError, CoreError, MemoryError, HTTPException):
        app.add_exception_handler(kind, _answer)
    # Starlette raises the exception again after this answer, so that the server logs the traceback.
    app.add_exception_handler(Exception, _answer)


def respond(error: Exception) -> Response:
    """The response to a failure, whatever type was asked for."""
    face = face_of(error)
    request = REQUEST_ID.get()
    document = {**face.document, "request_id": request} if request else face.document
    return Response(orjson.dumps(document), face.kind.status, dict(face.headers), media_type=PROBLEM)


async def _answer(request: Request, error: Exception) -> Response:
    response = respond(error)
    # Refusing what is too much is no fault, and a line for each would be more of it.
    if response.status_code >= 500 and not isinstance(error, Overloaded):
        place = f"{request.method} {excerpt(request.url.path, 200)}"
        _log.error("%s: %s: %s", place, type(error).__name__, excerpt(error, 500))
    return response
