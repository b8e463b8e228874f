"""What a kind of job is: a coroutine function that is given its work and gives back an answer's bytes.

It may be run again after a crash, with the same `Work`: what it writes, it writes under `Work.guard`, whose key makes
the engine apply it once.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.engine.base import Guard
from service.operations.service import Service
from service.storage.jobs.base import JobRecord

__all__ = ["Ended", "Failure", "Kind", "Submission", "Token", "Work", "described", "new_id"]


class Token:
    """Tells the work of a job that it is to stop; it may be asked in any thread."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._leaving = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Somebody has cancelled the job: whatever it does now is dropped."""
        return self._cancelled.is_set()

    @property
    def leaving(self) -> bool:
        """The process is about to end, and will run the job again when it is back: now is the time to keep a state."""
        return self._leaving.is_set()

    def cancel(self) -> None:
        """Ask the work to stop for good."""
        self._cancelled.set()

    def leave(self) -> None:
        """Ask the work to stop until the process is back."""
        self._leaving.set()


@dataclass(frozen=True)
class Work:
    """One run of a job."""

    id: str
    network: str
    body: bytes
    """Of the request, as it came."""
    media: str
    """The media type of `body`."""
    guard: Guard
    """For what it writes: the conditions of the request, and a key that only this job has."""
    attempt: int
    """Counts from 1; more after a crash."""
    token: Token
    progress: Callable[[Mapping[str, Any]], None]
    """Tell how far it has come, as JSON: a few times a second at most. It may be called in any thread."""


@dataclass(frozen=True)
class Ended:
    """What a run came to."""

    body: bytes
    """The answer's document as safetensors."""
    status: int = 200
    version: int | None = None
    """For the `ETag`, where the answer has one."""


@dataclass(frozen=True)
class Failure:
    """A problem as it is answered."""

    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """How jobs of one name are run."""

    run: Callable[[Service, Work], Awaitable[Ended]]
    """Raises what the request would have been refused with. Cancelled as a task when the job is."""
    writes: bool = False
    """Whether it makes versions: such jobs of one network run one after another, in order of arrival."""


@dataclass(frozen=True)
class Submission:
    """A request that becomes a job."""

    kind: str
    network: str
    body: bytes
    media: str
    wanted: str
    """The media type of the answer."""
    guard: Guard
    owner: str = ""


def described(job: JobRecord) -> dict[str, Any]:
    """A job on the wire."""
    outcome = job.outcome or {}
    return {
        "id": job.id,
        "kind": job.kind,
        "network": job.network,
        "status": job.status,
        "progress": job.progress,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "error": outcome.get("problem"),
    }


def new_id() -> str:
    """An id that nobody guesses."""
    return "job_" + base64.b32encode(secrets.token_bytes(15)).decode("ascii").lower()


async def pause(token: Token, seconds: float) -> None:
    """Wait a while, or until the job is cancelled."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until and not token.cancelled:  # noqa: ASYNC110  the token belongs to threads too
        await asyncio.sleep(min(0.1, max(0.0, until - loop.time())))
