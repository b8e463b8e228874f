"""The application: its routes, what every request passes through, and a lifespan that opens and closes the service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from service import bootstrap, cors, problems, telemetry
from service.access import Door
from service.engine.memory import Memory
from service.front import Front
from service.gate import Gate
from service.metrics import Metrics
from service.routers import ENDPOINTS, endpoint
from service.settings import Settings

__all__ = ["create_app"]


def create_app(settings: Settings, door: Door) -> FastAPI:
    """An application that opens its store when it is started, and nothing before; `door` says who may use it."""
    metrics, memory = Metrics(), Memory(settings.working_bytes)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        try:
            running = await bootstrap.start(settings, metrics, memory)
        except Exception as error:
            app.state.cannot_start = error
            raise
        try:
            yield {"running": running.service, "jobs": running.jobs, "about": bootstrap.about(running)}
        finally:
            await bootstrap.stop(running)

    app = _Application(
        lambda inside: Front(inside, metrics, memory, access_log=settings.access_log),
        telemetry=telemetry.chosen(settings),
        openapi_url=None,  # the document and its page are endpoints among the others
        redirect_slashes=False,
        middleware=[*cors.chosen(settings), Middleware(Gate, door=door, settings=settings)],
        exception_handlers={ClientDisconnect: _hung_up},
        lifespan=lifespan,
    )
    app.router.routes.extend(endpoint.routes(ENDPOINTS))
    problems.install(app)
    return app


class _Application(FastAPI):
    """FastAPI's, with a layer around all others: the one that answers what nobody foresaw is inside of it."""

    def __init__(self, front: Callable[[ASGIApp], ASGIApp], **options: Any) -> None:
        self._front = front
        super().__init__(**options)

    def build_middleware_stack(self) -> ASGIApp:
        return self._front(super().build_middleware_stack())


async def _hung_up(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it; the number is for the metrics
