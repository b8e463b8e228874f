"""The OpenAPI document, made from the endpoints and the schemas that validate: it cannot say what the code does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.codecs.media import JSON, SAFETENSORS
from service.routers import openapi_problems
from service.routers.endpoint import Endpoint, Parameter
from service.routers.vocabulary import KEYED
from service.schemas.jobs import Job

__all__ = ["document", "render"]

_REFERENCE: Final = "#/components/schemas/{model}"
_ABOUT: Final = """Neural networks created, differentiated and trained by REST, their state kept on disk.

Arrays travel as JSON or as safetensors (`application/vnd.safetensors`). In safetensors a tensor's name is its JSON path
joined by dots, a layer by its number (`inputs`, `gradient.2.weights`; a network's own parameters are `2.weights`), and
all that is not an array is one JSON object, as text, under `json` in the header's `__metadata__`. The answer comes in
the type that `Accept` names, and without one in the type of the request. Numbers outside the network's dtype, NaN and
infinities are refused and never answered. HEAD is answered wherever GET is, and OPTIONS everywhere, with `Allow`. Every
answer has an `X-Request-Id`: the request's own, where it sent one of 1 to 64 letters, digits, dots, dashes and underscores.
A problem has it as `request_id`."""
_TAGS: Final = {
    "Networks": "Make, list, describe, rename and delete networks.",
    "Parameters": "Read and replace the numbers of a network; every write makes a version.",
    "Checkpoints": "Name versions, which are then kept, and go back to them.",
    "Computing": "Feedforward, gradients and steps.",
    "Jobs": "Work that outlives its request: watched, followed, cancelled, and found again.",
    "Service": "Health, limits, metrics and the pages about problems.",
}
_KEY: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, made with `gradwire keys create`. A service on a loopback address asks for none until"
    " there is one.",
}
_KEY_OR_NONE: Final[list[dict[str, list[str]]]] = [{"key": []}, {}]
_HEADERS: Final = {
    "ETag": ("The version, in quotes.", {"type": "string", "pattern": '^"[0-9]+"$'}),
    "Content-Location": ("Where this answer can be had again.", {"type": "string", "format": "uri-reference"}),
    "Preference-Applied": ("What of `Prefer` was done.", {"type": "string"}),
    "Retry-After": ("Seconds after which to look again.", {"type": "integer", "minimum": 0}),
    "Location": ("Where the new thing is.", {"type": "string", "format": "uri-reference"}),
}


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the endpoints that are listed."""
    listed = [endpoint for endpoint in endpoints if endpoint.listed]
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in listed:
        item = paths.setdefault(endpoint.path, _path_item(endpoint.path))
        item[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gradwire",
            "version": version("gradwire"),
            "summary": "Gradients over the wire.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where this document was found."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": _KEY_OR_NONE,
        "paths": paths,
        "components": {"securitySchemes": {"key": _KEY}, "schemas": {**_schemas(listed), **openapi_problems.schemas()}},
    }


def render(endpoints: Sequence[Endpoint]) -> str:
    """The document as it is committed: indented, in a stable order, with a final line end."""
    return json.dumps(document(endpoints), indent=2, ensure_ascii=False) + "\n"


def _path_item(path: str) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", path)
    return {"parameters": [_path_parameter(name) for name in names]} if names else {}


def _path_parameter(name: str) -> dict[str, Any]:
    about = {
        "network": ("The network's id.", {"type": "string", "pattern": "^[a-z0-9_]{1,64}$"}),
        "checkpoint": ("The checkpoint's name, percent-encoded.", {"type": "string", "minLength": 1, "maxLength": 200}),
        "job": ("The job's id.", {"type": "string", "pattern": "^[a-z0-9_]{1,64}$"}),
        "slug": ("The last part of a problem's `type`.", {"type": "string", "examples": ["invalid-input"]}),
    }
    description, schema = about[name]
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.operation,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
    }
    if endpoint.open:
        operation["security"] = []
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.parameters:
        operation["parameters"] = [_parameter(parameter) for parameter in endpoint.parameters]
    if endpoint.request is not None:
        content = _content(endpoint.request, endpoint.examples, (JSON, SAFETENSORS))
        operation["requestBody"] = {"required": True, "content": content}
    answers = {str(endpoint.answer.status): _answer(endpoint)}
    if endpoint.deferred is not None:
        answers["202"] = _accepted(endpoint.deferred)
    answers |= {str(status): {"description": about} for status, about in endpoint.also.items()}
    if endpoint.not_modified:
        answers["304"] = {"description": "`If-None-Match` names this version.", "headers": _headers(("ETag",))}
    operation["responses"] = answers | openapi_problems.responses(
        (*endpoint.problems, *(() if endpoint.open else KEYED))
    )
    return operation


def _accepted(examples: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "description": "It has become a job, which is on disk.",
        "headers": _headers(("Location", "Preference-Applied", "Retry-After")),
        "content": _content(Job, examples, (JSON, SAFETENSORS)),
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described = {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }
    return described if parameter.example is None else {**described, "example": parameter.example}


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    answer = endpoint.answer
    if answer.described is not None:
        return dict(answer.described)
    described: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        described["headers"] = _headers(answer.headers)
    if answer.model is not None:
        described["content"] = _content(answer.model, endpoint.answers, answer.media)
    elif answer.media:
        schema = {"type": "object"} if answer.media == (JSON,) else {"type": "string"}
        described["content"] = {media: {"schema": schema} for media in answer.media}
    return described


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"description": _HEADERS[name][0], "schema": _HEADERS[name][1]} for name in names}


def _content(model: type[BaseModel], examples: Any, media: Sequence[str]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if JSON in media:
        content[JSON] = {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}
        if examples:
            content[JSON]["examples"] = {name: {"value": value} for name, value in examples.items()}
    if SAFETENSORS in media:
        about = f"The arrays of `{model.__name__}` as tensors, and the rest of it as JSON in the metadata."
        content[SAFETENSORS] = {"schema": {"type": "string", "format": "binary", "description": about}}
    return content


def _schemas(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    models: dict[type[BaseModel], None] = {}
    for endpoint in endpoints:
        models.update(dict.fromkeys(model for model in (endpoint.request, endpoint.answer.model) if model is not None))
    _, schema = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
    found: dict[str, Any] = schema["$defs"]
    return found
