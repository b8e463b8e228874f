"""A request in and a response out: the body as a document, and the answer in the type that was asked for.

The type of the answer is settled before anything is done, so that no write happens whose answer cannot be given.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.codecs import matrices
from service.codecs.body import Bytes, read_body
from service.codecs.documents import Document, parse, rendering
from service.codecs.headers import by_name, header_values
from service.codecs.media import JSON, SAFETENSORS, SUPPORTED, content_type, negotiate
from service.engine.base import Guard
from service.errors import NotFound
from service.jobs import Jobs
from service.operations.service import Service
from service.routers import conditions
from service.schemas.validation import fitting, validate

__all__ = [
    "Asked",
    "answer_type",
    "checkpoint_of",
    "guard_of",
    "jobs_of",
    "network_of",
    "read",
    "respond",
    "responded",
    "service_of",
    "validated",
]

ModelT = TypeVar("ModelT", bound=BaseModel)
WorkT = TypeVar("WorkT")

_AT_ONCE: Final = {JSON: 2**20, SAFETENSORS: 2**25}
"""Bytes of a body that are read on the event loop, and four times as many as are written there: some 2 ms."""
_PLAIN_AT_ONCE: Final = 2**21
"""Bytes of a body of JSON that are read there, where it is plain: a thread costs a tenth of what they do."""
_TYPES: Final = {media: (b"content-type", media.encode()) for media in _AT_ONCE}
_VARY: Final = (b"vary", b"Accept")
_LONGEST_KEPT: Final = 200
_LONGEST: Final = 64
_NETWORK: Final = re.compile(r"[a-z0-9_]+")


class Asked(NamedTuple):
    """A request's body, as it came and as a document, and the media type of the answer."""

    document: dict[str, Any]
    wanted: str
    media: str
    body: Bytes

    @property
    def is_short(self) -> bool:
        """Whether it is read and checked on the event loop."""
        return len(self.body) <= _AT_ONCE[self.media]

    async def worked(self, work: Callable[[], WorkT]) -> WorkT:
        """What takes the longer the longer the body is: there as well, or in a thread."""
        return work() if self.is_short else await asyncio.to_thread(work)


async def read(request: Request) -> Asked:
    """The body and what goes with it; what its headers get wrong is said before the body is waited for.

    Raises:
        UnsupportedMediaType, NotAcceptable, MalformedBody, InvalidInput, TooLarge.
    """
    media, wanted = _types(request)
    body = await read_body(request, service_of(request).settings.max_body_bytes)
    document = _read_at_once(body, media)
    if document is None:
        document = await asyncio.to_thread(parse, body, media)
    return Asked(document, wanted, media, body)


def _read_at_once(body: Bytes, media: str) -> Document | None:
    """The document, or None where reading it may take too long for the event loop."""
    if len(body) <= _AT_ONCE[media]:
        return parse(body, media)
    return matrices.read(body, rest=_AT_ONCE[JSON]) if media == JSON and len(body) <= _PLAIN_AT_ONCE else None


def _types(request: Request) -> tuple[str, str]:
    """The media types of the body and of the answer."""
    found = by_name(request.scope)
    if len(found) < len(request.scope["headers"]):  # one is there twice
        media = content_type(conditions.single_header(request, b"content-type"))
        return media, answer_type(request, media)
    given, accept = found.get(b"content-type", b""), found.get(b"accept", b"")
    return (_agreed if len(given) + len(accept) <= _LONGEST_KEPT else _agreed.__wrapped__)(given, accept)


@lru_cache(maxsize=256)
def _agreed(given: bytes, accept: bytes) -> tuple[str, str]:
    """The same, of headers that are there once or not at all. Clients send the same few again and again."""
    media = content_type(given.decode("latin-1") or None)
    return media, negotiate(accept.decode("latin-1") or None, media)


async def validated(model: type[ModelT], asked: Asked) -> ModelT:
    """The body as a `model`. Raises `InvalidInput`."""
    if asked.is_short:
        return validate(model, asked.document)
    if isinstance(asked.document, matrices.WithMatrices) and len(asked.body) <= _PLAIN_AT_ONCE:
        found = fitting(model, asked.document)
        if found is not None:
            return found
    return await asyncio.to_thread(validate, model, asked.document)


def guard_of(request: Request, asked: Asked) -> Guard:
    """The conditions of a write that was asked for."""
    return conditions.guard(request, asked.body, asked.media)


def answer_type(request: Request, media: str = JSON, available: tuple[str, ...] = SUPPORTED) -> str:
    """The media type of the answer to a request in `media`."""
    return negotiate(",".join(header_values(request, b"accept")) or None, media, available)


def respond(
    document: Mapping[str, Any],
    media: str,
    *,
    status: int = 200,
    version: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A document in a media type; with a version, its `ETag`."""
    return _Rendered(rendering(document, media).render(), status, media, version, headers or {})


async def responded(
    document: Mapping[str, Any], media: str, *, status: int = 200, version: int | None = None
) -> Response:
    """As `respond`, for documents of any size."""
    answer = rendering(document, media)
    at_once = 4 * answer.nbytes <= _AT_ONCE[media]
    body = answer.render() if at_once else await asyncio.to_thread(answer.render)
    return _Rendered(body, status, media, version, {})


class _Rendered(Response):
    """A response whose headers need no looking at."""

    def __init__(self, body: bytes, status: int, media: str, version: int | None, headers: Mapping[str, str]) -> None:
        self.body, self.status_code = body, status
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _TYPES[media], _VARY]
        if version is not None:
            self.raw_headers.append((b"etag", conditions.etag(version).encode()))
        self.raw_headers += [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def service_of(request: Request) -> Service:
    """What the application was started with."""
    service: Service = request.scope["state"]["service"]
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
    network: str = request.scope["path_params"]["network"]
    if len(network) > _LONGEST or not _may_be(network):
        raise NotFound("There is no such network.")
    return network


@lru_cache(maxsize=1024)
def _may_be(network: str) -> bool:
    """Whether a network can have this id. Clients ask for the same few again and again."""
    return _NETWORK.fullmatch(network) is not None
