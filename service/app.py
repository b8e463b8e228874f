"""The application: its routes, what every request passes through, and a lifespan that opens and closes the service.

From outside to inside: the front, CORS where it is set, problems, the gate, the routes. FastAPI's own stack has six layers
more, which have nothing to do here and cost a request more than these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from service import bootstrap, cors, telemetry
from service.access import Door
from service.engine.memory import Memory
from service.front import Front
from service.gate import Gate
from service.metrics import Metrics
from service.problems import Problems
from service.routers import ENDPOINTS, endpoint
from service.routers.paths import Routes
from service.settings import Settings

__all__ = ["create_app"]


def create_app(settings: Settings, door: Door) -> FastAPI:
    """An application that opens its store when it is started, and nothing before; `door` says who may use it."""
    metrics, memory = Metrics(), Memory(settings.working_bytes)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        try:
            running = await bootstrap.start(settings, metrics, memory)
        except Exception as error:
            app.state.cannot_start = error
            raise
        try:
            yield {"running": running.service, "jobs": running.jobs, "about": bootstrap.about(running)}
        finally:
            await bootstrap.stop(running)

    def layered(routes: ASGIApp) -> ASGIApp:
        inside = cors.around(Problems(Gate(routes, door, settings)), settings)
        return Front(inside, metrics, memory, access_log=settings.access_log)

    app = FastAPI(
        telemetry=telemetry.chosen(settings),
        openapi_url=None,  # the document and its page are endpoints among the others
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.router.routes.extend(endpoint.routes(ENDPOINTS))
    # FastAPI's router tells traces which route a request took.
    app.middleware_stack = layered(app.router if settings.telemetry else Routes(endpoint.routes(ENDPOINTS), app.router))
    return app
