"""HTTP in sentences: read the request, do one operation, respond."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from service.codecs.media import JSON
from service.routers import about, checkpoints, computing, docs, networks, openapi, parameters
from service.routers.endpoint import Answer, Endpoint

__all__ = ["ENDPOINTS", "openapi_document"]


@cache
def openapi_document() -> str:
    """The OpenAPI document of all endpoints, as JSON."""
    return openapi.render(ENDPOINTS)


async def _openapi(_request: Request) -> Response:
    return Response(openapi_document(), media_type=JSON)


ENDPOINTS: Final[Sequence[Endpoint]] = (
    *networks.ENDPOINTS,
    *parameters.ENDPOINTS,
    *checkpoints.ENDPOINTS,
    *computing.ENDPOINTS,
    *about.ENDPOINTS,
    Endpoint(
        "GET",
        "/openapi.json",
        _openapi,
        "getOpenapi",
        "Service",
        "This document",
        Answer(200, "The OpenAPI document.", media=(JSON,)),
    ),
    *docs.ENDPOINTS,
)
"""Every endpoint of the service, in the order of the OpenAPI document."""
