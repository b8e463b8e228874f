"""Jobs on the wire: what was asked for, how far it has come, and what went wrong."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from service.schemas.base import Body, Items, Timestamp
from service.schemas.service import Problem

__all__ = ["Job", "JobPage"]


class Job(Body):
    """Work that outlives the request that asked for it."""

    id: str
    kind: str = Field(description="The last part of the path of the request: `feedforward`, `backprop`, `sgd-step`.")
    network: str = Field(description="The network's id.")
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    progress: dict[str, Any] | None = Field(description="Its last report, where its kind makes reports.")
    created_at: Timestamp
    started_at: Timestamp | None = Field(description="When it was first begun.")
    finished_at: Timestamp | None
    error: Problem | None = Field(description="What it failed with: its result, too.")


class JobPage(Body):
    """Jobs, newest first."""

    jobs: Items[Job]
    next: str | None = Field(description="The cursor `after` for the next page; null on the last.")
