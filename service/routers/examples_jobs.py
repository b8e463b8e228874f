"""Jobs in the OpenAPI document's examples: that of a feedforward of the network `small`."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["ACCEPTED", "JOB", "PAGE"]

_AT: Final = "2026-01-01T00:00:00.000000Z"
_DONE: Final = {
    "id": "job_p4vn2rkd3tqy6wzl5xhmcj7a",
    "kind": "feedforward",
    "network": "net_4wq5wr2v7nd6xk3mzjyp2cta",
    "status": "succeeded",
    "progress": None,
    "created_at": _AT,
    "started_at": _AT,
    "finished_at": _AT,
    "error": None,
}

JOB: Final[dict[str, Any]] = {"succeeded": _DONE}
PAGE: Final[dict[str, Any]] = {"one": {"jobs": [_DONE], "next": None}}
ACCEPTED: Final[dict[str, Any]] = {
    "queued": {**_DONE, "status": "queued", "started_at": None, "finished_at": None},
}
