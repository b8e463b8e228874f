"""A request in and a response out: the body as a document, and the answer in the type that was asked for.

The type of the answer is settled before anything is done, so that no write happens whose answer cannot be given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from service.codecs.body import read_body
from service.codecs.documents import parse, render
from service.codecs.media import JSON, SUPPORTED, content_type, negotiate
from service.engine.base import Guard
from service.errors import NotFound
from service.jobs import Jobs
from service.operations.service import Service
from service.routers import conditions

__all__ = [
    "Asked",
    "answer_type",
    "checkpoint_of",
    "guard_of",
    "jobs_of",
    "network_of",
    "read",
    "respond",
    "service_of",
]

_NETWORK: Final = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True)
class Asked:
    """A request's body, as it came and as a document, and the media type of the answer."""

    document: dict[str, Any]
    wanted: str
    media: str
    body: bytes


async def read(request: Request) -> Asked:
    """The body and what goes with it; what its headers get wrong is said before the body is waited for.

    Raises:
        UnsupportedMediaType, NotAcceptable, MalformedBody, InvalidInput, TooLarge.
    """
    media = content_type(conditions.single_header(request, "content-type"))
    wanted = answer_type(request, media)
    body = await read_body(request, service_of(request).settings.max_body_bytes)
    return Asked(parse(body, media), wanted, media, body)


def guard_of(request: Request, asked: Asked) -> Guard:
    """The conditions of a write that was asked for."""
    return conditions.guard(request, asked.body, asked.media)


def answer_type(request: Request, media: str = JSON, available: Sequence[str] = SUPPORTED) -> str:
    """The media type of the answer to a request in `media`."""
    return negotiate(",".join(request.headers.getlist("accept")) or None, media, available)


def respond(
    document: Mapping[str, Any],
    media: str,
    *,
    status: int = 200,
    version: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A document in a media type; with a version, its `ETag`."""
    extra = {"vary": "Accept", **(headers or {})}
    if version is not None:
        extra["etag"] = conditions.etag(version)
    return Response(render(dict(document), media), status, extra, media_type=media)


def service_of(request: Request) -> Service:
    """What the application was started with."""
    service: Service = request.state.service
    return service


def checkpoint_of(request: Request) -> str:
    """The checkpoint's name in the path; one that cannot be is one that is not there."""
    name: str = request.path_params["checkpoint"]
    return name


def jobs_of(request: Request) -> Jobs:
    """The jobs of the application; whose they are is for whoever asks to say."""
    jobs: Jobs = request.state.jobs
    return jobs


def network_of(request: Request) -> str:
    """The network's id in the path.

    Raises:
        NotFound: no id looks like this.
    """
    network: str = request.path_params["network"]
    if not _NETWORK.fullmatch(network):
        raise NotFound("There is no such network.")
    return network
