"""Pages of other origins: none may call the service, but for the origins that the settings name exactly."""

from __future__ import annotations

from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.settings import Settings

__all__ = ["around"]

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_ASKED: Final = (
    "Accept",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-Id",
)
_TOLD: Final = ("ETag", "Location", "Preference-Applied", "Retry-After", "WWW-Authenticate", "X-Request-Id")


def around(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The layer that the settings ask for, outside of the gate: a preflight has no key. The app itself for no origins."""
    origins = settings.cors_origins.split()
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_ASKED,
        expose_headers=_TOLD,
        max_age=600,
    )
