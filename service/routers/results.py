"""What a job came to, as the response that its request would have had."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import orjson
from starlette.responses import Response

from service.codecs.documents import parse
from service.codecs.media import PROBLEM, SAFETENSORS
from service.jobs import Answer
from service.routers import conditions
from service.routers.exchange import respond

__all__ = ["result_response"]


async def result_response(answer: Answer, media: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer in a media type, with the same status, `ETag` and document as if there had been no job."""
    extra = dict(headers or {})
    if answer.failure is not None:
        document = orjson.dumps(dict(answer.failure.document))
        return Response(document, answer.status, {**extra, **answer.failure.headers}, media_type=PROBLEM)
    if media != SAFETENSORS:
        return await asyncio.to_thread(_converted, answer, media, extra)
    if answer.version is not None:
        extra["etag"] = conditions.etag(answer.version)
    return Response(answer.body, answer.status, {"vary": "Accept", **extra}, media_type=media)


def _converted(answer: Answer, media: str, headers: dict[str, str]) -> Response:
    document = parse(answer.body, SAFETENSORS)
    return respond(document, media, status=answer.status, version=answer.version, headers=headers)
