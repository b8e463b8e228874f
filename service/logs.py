"""What the service writes to standard error: lines for people or JSON for machines, each with the request it is about."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, Literal

__all__ = ["ACCESS", "REQUEST_ID", "configure"]

REQUEST_ID: Final[ContextVar[str]] = ContextVar("gradwire.request_id", default="")
"""The id of the request that this task answers; empty outside of one."""

ACCESS: Final = "gradwire.access"
"""The logger with one line a request; what is passed in `extra={"access": {...}}` becomes members of a JSON line."""


def configure(form: Literal["text", "json"]) -> None:
    """Send every log line to standard error in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        request = REQUEST_ID.get()
        return f"{line} request_id={request}" if request else line


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and where there are any request_id, exception and more."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line = {"time": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if request := REQUEST_ID.get():
            line["request_id"] = request
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line | getattr(record, "access", {}), default=str)
