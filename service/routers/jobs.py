"""Jobs: watched, waited for, followed, cancelled, listed, and what they came to."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final, get_args

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from service.codecs.media import JSON, PROBLEM, SAFETENSORS
from service.errors import Fault, InvalidInput, MalformedBody, NotFound
from service.jobs import described
from service.routers import conditions, examples_jobs, query
from service.routers.endpoint import Answer, Endpoint, Parameter
from service.routers.exchange import answer_type, jobs_of, respond, service_of
from service.routers.results import result_response
from service.routers.vocabulary import AFTER, ANSWER, CONDITION, LIMIT, LONGEST_PAGE, PAGE
from service.schemas.jobs import Job, JobPage
from service.storage.jobs.base import JobEvent, Status

__all__ = ["ENDPOINTS"]

_EVENTS: Final = "text/event-stream"
_JOB: Final = re.compile(r"[a-z0-9_]{1,64}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_STATES: Final[tuple[Status, ...]] = get_args(Status)


async def describe(request: Request) -> Response:
    """GET /v1/jobs/{job}."""
    found = query.known(request, ("wait",))
    seconds = query.natural(found, "wait") or 0
    wanted = answer_type(request)
    service = service_of(request)
    job = await jobs_of(request).find(_job(request), service.owner, min(seconds, service.settings.wait_seconds))
    headers = {} if job.finished else {"retry-after": str(jobs_of(request).wait(job))}
    return respond(described(job), wanted, headers=headers)


async def result(request: Request) -> Response:
    """GET /v1/jobs/{job}/result."""
    query.known(request)
    answer = await jobs_of(request).answer(_job(request), service_of(request).owner)
    return await result_response(answer, answer_type(request, answer.wanted))


async def events(request: Request) -> Response:
    """GET /v1/jobs/{job}/events."""
    query.known(request)
    answer_type(request, _EVENTS, (_EVENTS,))
    job, owner, after = _job(request), service_of(request).owner, _last_event(request)
    record = await jobs_of(request).find(job, owner)
    headers = {"cache-control": "no-store"}
    if request.method == "HEAD":
        return Response(headers=headers, media_type=_EVENTS)
    told = jobs_of(request).follow(job, owner, after)
    if not record.finished:  # what is told next may be long in coming: whoever asks hears at once that it is connected
        return StreamingResponse(_stream(told), headers=headers, media_type=_EVENTS)
    first = await anext(told, None)
    if first is None:
        # All of it was told before; a browser's EventSource asks again and again unless it hears this.
        return Response(status_code=204)
    return StreamingResponse(_stream(told, first), headers=headers, media_type=_EVENTS)


async def cancel(request: Request) -> Response:
    """DELETE /v1/jobs/{job}."""
    query.known(request)
    await jobs_of(request).cancel(_job(request), service_of(request).owner)
    return Response(status_code=204)


async def list_page(request: Request) -> Response:
    """GET /v1/jobs."""
    found = query.known(request, ("network", "status", "limit", "after"))
    limit = query.natural(found, "limit", least=1, most=LONGEST_PAGE) or PAGE
    status = _status(found.get("status"))
    wanted = answer_type(request)
    records, following = await jobs_of(request).page(
        limit, found.get("after"), owner=service_of(request).owner, network=found.get("network"), status=status
    )
    return respond({"jobs": [described(job) for job in records], "next": following}, wanted)


async def _stream(told: AsyncIterator[JobEvent | None], first: JobEvent | None = None) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    if first is not None:
        yield _written(first)
    async for event in told:
        yield _written(event)


def _written(event: JobEvent | None) -> bytes:
    """An event on the wire; a comment, which readers skip, where there is none."""
    if event is None:
        return b": still here\n\n"
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.name.encode(), orjson.dumps(dict(event.data)))


def _job(request: Request) -> str:
    job: str = request.path_params["job"]
    if not _JOB.fullmatch(job):
        raise NotFound("There is no such job.")
    return job


def _last_event(request: Request) -> int:
    text = conditions.single_header(request, b"last-event-id")
    if not text:
        return 0
    if not _NUMBER.fullmatch(text):
        raise MalformedBody("The Last-Event-ID header is not the id of an event.")
    return int(text)


def _status(text: str | None) -> Status | None:
    if text is None:
        return None
    for status in _STATES:
        if text == status:
            return status
    detail = f"A job's status is one of {', '.join(_STATES)}."
    raise InvalidInput(detail, (Fault("/status", detail),))


_ONE: Final = "/v1/jobs/{job}"
_WAIT: Final = Parameter(
    "wait",
    "query",
    "Seconds to wait for the end of the job, if it has not finished; at most as many as the service is set to.",
    {"type": "integer", "minimum": 0, "default": 0},
    20,
)
_NETWORK: Final = Parameter("network", "query", "Only jobs of this network.", {"type": "string"})
_STATUS: Final = Parameter("status", "query", "Only jobs in this state.", {"type": "string", "enum": list(_STATES)})
_LAST_EVENT: Final = Parameter(
    "Last-Event-ID",
    "header",
    "The id of the last event that was seen: only later ones are told.",
    {"type": "string", "pattern": "^[0-9]{0,15}$"},
)
_ABSENT: Final = ("not-found",)
_FAILED: Final = ("non-finite", "too-large", "idempotency-mismatch", "interrupted", "overloaded", *CONDITION)
"""What the request of a job may have failed with, besides."""
_RESULT: Final[dict[str, Any]] = {
    "description": "The job's answer, in the type that `Accept` names, by default in the one that its request asked"
    " for. Status and `ETag` are the answer's too: a job that failed is answered with its problem.",
    "content": {
        JSON: {"schema": {"type": "object"}},
        SAFETENSORS: {"schema": {"type": "string", "format": "binary"}},
        PROBLEM: {"schema": {"$ref": "#/components/schemas/AnyProblem"}},
    },
}
_STREAM: Final[dict[str, Any]] = {
    "description": "Events, until the job has finished.",
    # Without a type: some readers take the schema for that of the whole text, others for that of each event.
    "content": {
        _EVENTS: {
            "schema": {
                "title": "Events",
                "properties": {
                    "id": {"type": "string", "pattern": "^[0-9]+$"},
                    "event": {"enum": ["status", "progress"]},
                    "data": {"type": "string", "contentMediaType": JSON},
                },
            }
        }
    },
}

ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/v1/jobs",
        list_page,
        "listJobs",
        "Jobs",
        "List the jobs, newest first",
        Answer(200, "A page of jobs.", JobPage),
        parameters=(_NETWORK, _STATUS, LIMIT, AFTER),
        problems=ANSWER,
        answers=examples_jobs.PAGE,
    ),
    Endpoint(
        "GET",
        _ONE,
        describe,
        "getJob",
        "Jobs",
        "Describe a job, at once or when it has finished",
        Answer(200, "The job.", Job),
        parameters=(_WAIT,),
        problems=(*ANSWER, *_ABSENT),
        answers=examples_jobs.JOB,
    ),
    Endpoint(
        "DELETE",
        _ONE,
        cancel,
        "cancelJob",
        "Jobs",
        "Cancel a job",
        Answer(204, "It has stopped, or had finished.", media=()),
        description="A job that waits never begins, and what one that runs computes is dropped. A write that has reached"
        " the disk is not undone: the job has succeeded then. A job that has finished stays as it is.",
        problems=(*ANSWER, *_ABSENT),
    ),
    Endpoint(
        "GET",
        f"{_ONE}/result",
        result,
        "getJobResult",
        "Jobs",
        "What a job came to",
        Answer(200, "", described=_RESULT),
        description="What the request would have been answered without becoming a job. A result is kept for a while; it"
        " is answered with 410 after that, as is that of a job that was cancelled.",
        problems=(*ANSWER, *_ABSENT, "job-running", "gone", "corrupt-state", *_FAILED),
    ),
    Endpoint(
        "GET",
        f"{_ONE}/events",
        events,
        "followJob",
        "Jobs",
        "What happens to a job, as server-sent events",
        Answer(200, "", described=_STREAM),
        description="Events named `status` have the job, those named `progress` its report. The last one has the final"
        " status, and closes the stream; a job that has finished tells its events again. While nothing happens, comments"
        " keep the connection up. After the last event there is nothing more: 204.",
        also={204: "The job has finished, and `Last-Event-ID` is its last event."},
        parameters=(_LAST_EVENT,),
        problems=(*ANSWER, *_ABSENT),
    ),
)
