"""OpenTelemetry, which FastAPI has built in: off, and free, unless the settings ask for it.

Where traces go is said by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, ...).
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final

from fastapi.telemetry import TelemetryConfig

from service.settings import Settings

__all__ = ["chosen", "missing"]

_PACKAGES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_PLACES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def chosen(settings: Settings) -> TelemetryConfig:
    """What to tell FastAPI. Its metrics stay off: `/metrics` has more of them."""
    on = settings.telemetry
    return {"tracing": on, "logs": on, "metrics": False, "operation_spans": False, "auto_configure": on}


def missing(settings: Settings) -> str | None:
    """What telemetry lacks, if it is asked for: FastAPI would go on without a word."""
    if not settings.telemetry:
        return None
    if not any(os.environ.get(name) for name in _PLACES):
        return f"--telemetry needs to know where traces go: set {_PLACES[0]}"
    if not all(_is_there(package) for package in _PACKAGES):
        return "--telemetry needs packages that are not installed: pip install 'gradwire[telemetry]'"
    return None


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # one of its parents
        return False
