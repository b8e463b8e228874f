"""HTTP in sentences: read the request, do one operation, respond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from service.codecs.media import JSON
from service.jobs import Kind
from service.routers import about, checkpoints, computing, docs, jobs, networks, openapi, parameters
from service.routers.calls import kind
from service.routers.endpoint import Answer, Endpoint

__all__ = ["ENDPOINTS", "KINDS", "openapi_document"]


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
    *jobs.ENDPOINTS,
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

KINDS: Final[Mapping[str, Kind]] = {call.kind: kind(call) for call in computing.CALLS}
"""Every kind of job by its name."""
