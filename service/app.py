"""The application: its routes, what every request passes through, and a lifespan that opens and closes the service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import bootstrap, problems
from service.metrics import Metrics
from service.routers import ENDPOINTS, endpoint
from service.settings import Settings

__all__ = ["create_app"]


def create_app(settings: Settings) -> FastAPI:
    """An application that opens its store when it is started, and nothing before."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        try:
            running = await bootstrap.start(settings, metrics)
        except Exception as error:
            app.state.cannot_start = error
            raise
        try:
            yield {"service": running, "about": bootstrap.about(running)}
        finally:
            await bootstrap.stop(running)

    app = FastAPI(
        openapi_url=None,  # the document and its page are endpoints among the others
        redirect_slashes=False,
        middleware=[Middleware(_Measured, metrics=metrics)],
        exception_handlers={ClientDisconnect: _hung_up},
        lifespan=lifespan,
    )
    app.router.routes.extend(endpoint.routes(ENDPOINTS))
    problems.install(app)
    return app


async def _hung_up(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it; the number is for the metrics


class _Measured:
    """Counts every answer under its route's template, the unknown paths together under one name."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._metrics.begun()
        begun = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = scope.get(endpoint.TEMPLATE, "unknown")
            self._metrics.answered(scope["method"], route, status, time.perf_counter() - begun)
