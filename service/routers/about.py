"""The service about itself: alive, ready, what it is, its metrics, its problems and the OpenAPI document."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from service import operations, problems
from service.codecs.media import JSON
from service.metrics import Metrics
from service.routers import examples, query
from service.routers.endpoint import Answer, Endpoint
from service.routers.exchange import answer_type, respond, service_of
from service.schemas.service import Health, Info, Readiness

__all__ = ["ENDPOINTS"]

_MARKDOWN: Final = "text/markdown"


async def health(_request: Request) -> Response:
    """GET /healthz: answers while the event loop turns, whatever the state of the store."""
    return respond({"status": "ok"}, JSON)


async def readiness(request: Request) -> Response:
    """GET /readyz."""
    await operations.require_ready(service_of(request))
    return respond({"status": "ready"}, JSON)


async def info(request: Request) -> Response:
    """GET /v1/info."""
    query.known(request)
    wanted = answer_type(request, JSON, (JSON,))
    return respond(operations.info(service_of(request)), wanted)


async def metrics(request: Request) -> Response:
    """GET /metrics."""
    return Response(await operations.metrics(service_of(request)), media_type=Metrics.media_type)


async def problem_page(request: Request) -> Response:
    """GET /problems/{slug}."""
    return Response(problems.page(request.path_params["slug"]), media_type=_MARKDOWN)


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/healthz",
        health,
        "getHealth",
        "Service",
        "Whether the process is alive",
        Answer(200, "It is.", Health, media=(JSON,)),
        open=True,
        answers={"alive": {"status": "ok"}},
    ),
    Endpoint(
        "GET",
        "/readyz",
        readiness,
        "getReadiness",
        "Service",
        "Whether the service can compute and can write",
        Answer(200, "It can.", Readiness, media=(JSON,)),
        open=True,
        problems=("overloaded", "storage-unavailable", "storage-full"),
        answers={"ready": {"status": "ready"}},
    ),
    Endpoint(
        "GET",
        "/v1/info",
        info,
        "getInfo",
        "Service",
        "What runs here, what it can do, and its limits",
        Answer(200, "What runs here.", Info, media=(JSON,)),
        problems=("malformed-body", "not-acceptable", "invalid-input"),
        answers=examples.INFO,
    ),
    Endpoint(
        "GET",
        "/metrics",
        metrics,
        "getMetrics",
        "Service",
        "Counters and durations for Prometheus",
        Answer(200, "Prometheus's text format.", media=("text/plain",)),
    ),
    Endpoint(
        "GET",
        "/problems/{slug}",
        problem_page,
        "getProblem",
        "Service",
        "The page about a kind of problem",
        Answer(200, "The page.", media=(_MARKDOWN,)),
        open=True,
        problems=("not-found",),
    ),
)
