"""The problems in the OpenAPI document: a schema a kind, and for each status the kinds that an operation may answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from service.codecs.media import PROBLEM
from service.problems import PROBLEMS, ProblemType
from service.schemas.service import Problem

__all__ = ["responses", "schemas"]

_STRING: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_MEMBERS: Final[dict[str, dict[str, Any]]] = {
    "too-large": {"figures": {"type": "object", "additionalProperties": _WHOLE}},
    "stale-precondition": {"current": {**_WHOLE, "description": "The version that stands."}},
    "non-finite": {"layer": {"type": "integer", "minimum": 2, "description": "Where it happened."}},
    "unsupported-media-type": {"supported": {"type": "array", "items": _STRING}},
    "not-acceptable": {"available": {"type": "array", "items": _STRING}},
}
_HEADERS: Final = {
    401: ("WWW-Authenticate", "How to say who one is: `Bearer`.", _STRING),
    405: ("Allow", "The methods that this path takes.", _STRING),
    409: ("Retry-After", "Seconds to wait.", _WHOLE),
    412: ("ETag", "The version that stands, in quotes.", _STRING),
    429: ("Retry-After", "Seconds to wait.", _WHOLE),
    503: ("Retry-After", "Seconds to wait.", _WHOLE),
}


def schemas() -> dict[str, Any]:
    """The schema of a problem, one more for each kind of it, and their union."""
    general = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    fault = general.pop("$defs")["ProblemFault"]
    kinds = {_name(slug): _kind(kind) for slug, kind in PROBLEMS.items()}
    union = {"title": "Any problem", "oneOf": [_reference(_name(slug)) for slug in PROBLEMS]}
    return {"Problem": general, "ProblemFault": fault, **kinds, "AnyProblem": union}


def responses(slugs: Iterable[str]) -> dict[str, Any]:
    """The responses of an operation that may fail in these ways, by status."""
    by_status: dict[int, list[ProblemType]] = {}
    for kind in (PROBLEMS[slug] for slug in PROBLEMS if slug in set(slugs)):
        by_status.setdefault(kind.status, []).append(kind)
    foreseen = {str(status): _response(status, kinds) for status, kinds in by_status.items()}
    rest = {"description": "Any other problem.", "content": {PROBLEM: {"schema": _reference("AnyProblem")}}}
    return {**foreseen, "default": rest}


def _response(status: int, kinds: list[ProblemType]) -> dict[str, Any]:
    references = [_reference(_name(kind.slug)) for kind in kinds]
    schema: dict[str, Any] = references[0] if len(kinds) == 1 else {"oneOf": references}
    described: dict[str, Any] = {"description": ". Or: ".join(kind.title for kind in kinds) + "."}
    if status in _HEADERS:
        name, about, header = _HEADERS[status]
        described["headers"] = {name: {"description": about, "schema": header}}
    return {**described, "content": {PROBLEM: {"schema": schema}}}


def _kind(kind: ProblemType) -> dict[str, Any]:
    told = {"type": {"const": kind.type}, "title": {"const": kind.title}, "status": {"const": kind.status}}
    members = {**told, **_MEMBERS.get(kind.slug, {})}
    return {
        "title": kind.title,
        "description": f"See `{kind.type}`.",
        "allOf": [_reference("Problem"), {"type": "object", "properties": members}],
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _name(slug: str) -> str:
    return "".join(part.capitalize() for part in slug.split("-")) + "Problem"
