"""A computing call as data: one description answers it at once, makes a job of it where that is preferred, and runs it.

All that refuses a request, refuses it at once: the body, the shapes, the limits, the key and `If-Match`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.codecs.documents import parse, render
from service.codecs.media import SAFETENSORS
from service.engine.base import Guard, Snapshot
from service.jobs import Ended, Kind, Submission, Work, described
from service.operations.service import Service
from service.routers import conditions, query
from service.routers.endpoint import Handler
from service.routers.exchange import (
    Asked,
    guard_of,
    jobs_of,
    network_of,
    read,
    respond,
    responded,
    service_of,
    validated,
)
from service.routers.prefer import Preference, preference
from service.routers.results import result_response
from service.schemas.validation import validate
from service.storage.jobs.base import JobRecord

__all__ = ["Call", "Done", "handler", "kind"]

ModelT = TypeVar("ModelT", bound=BaseModel)


class Done(NamedTuple):
    """What a call came to."""

    document: Mapping[str, Any]
    status: int = 200
    version: int | None = None
    """For the `ETag`, where the answer has one."""


@dataclass(frozen=True)
class Call(Generic[ModelT]):
    """One call on a network, whose body is a `model`."""

    kind: str
    """The last part of its path, and what its jobs are called."""
    model: type[ModelT]
    check: Callable[[Service, Snapshot, ModelT], None]
    """Raises what the call would be refused with, as far as that can be known without computing."""
    run: Callable[[Service, Snapshot, ModelT, Guard], Awaitable[Done]]
    writes: bool = False
    """Whether it makes a version."""


_UNGUARDED: Final = Guard()


def handler(call: Call[Any]) -> Handler:
    """What answers requests for a call."""

    async def answer(request: Request) -> Response:
        query.known(request)
        preferred = preference(request)
        asked = await read(request)
        if call.writes or preferred is not None:
            guard = guard_of(request, asked)
        else:
            conditions.key_of(request)  # nothing is written under it; one that is none is refused all the same
            guard = _UNGUARDED
        body = validate(call.model, asked.document) if asked.is_short else await validated(call.model, asked)
        network, service = network_of(request), service_of(request)
        snapshot = await service.engine.snapshot(network)
        if preferred is not None:
            submission = Submission(
                call.kind, network, bytes(asked.body), asked.media, asked.wanted, guard, service.owner
            )
            job = await _job(request, call, snapshot, body, submission)
            return await _told(request, job, preferred, asked)
        done = await call.run(service, snapshot, body, guard)
        return await responded(done.document, asked.wanted, status=done.status, version=done.version)

    return answer


def kind(call: Call[Any]) -> Kind:
    """How jobs of a call are run: from the bytes of the request, as if it had come just now."""

    async def run(service: Service, work: Work) -> Ended:
        body = await asyncio.to_thread(lambda: validate(call.model, parse(work.body, work.media)))
        snapshot = await service.engine.snapshot(work.network)
        done = await call.run(service, snapshot, body, work.guard)
        document = await asyncio.to_thread(render, dict(done.document), SAFETENSORS)
        return Ended(document, done.status, done.version)

    return Kind(run, call.writes)


async def _job(
    request: Request, call: Call[Any], snapshot: Snapshot, body: BaseModel, submission: Submission
) -> JobRecord:
    """The job of a request: the one that it has already, by its key, or a new one."""
    jobs, service = jobs_of(request), service_of(request)
    found = await jobs.earlier(submission)
    if found is not None:
        return found
    call.check(service, snapshot, body)
    if call.writes:
        await service.engine.look(submission.network, submission.guard)
    return await jobs.submit(submission)


async def _told(request: Request, job: JobRecord, preferred: Preference, asked: Asked) -> Response:
    """The answer itself where it comes in time, otherwise where to find it."""
    jobs, service = jobs_of(request), service_of(request)
    place = f"/v1/jobs/{job.id}"
    if preferred.wait:
        job = await jobs.find(job.id, service.owner, min(preferred.wait, service.settings.wait_seconds))
        if job.finished and job.status != "cancelled":
            answer = await jobs.answer(job.id, service.owner)
            headers = {"content-location": f"{place}/result", "preference-applied": f"wait={preferred.wait}"}
            return await result_response(answer, asked.wanted, headers)
    headers = {"location": place, "preference-applied": preferred.applied, "retry-after": str(jobs.wait(job))}
    return respond(described(job), asked.wanted, status=202, headers=headers)
