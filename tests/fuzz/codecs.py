"""What is held true of every body, whatever it is: the judgment that drawn cases and coverage-guided fuzzing share.

Invariant: a body is read, or refused with a problem that a client is to blame for and that can be written; the fast and
the careful reader of JSON say the same of it; what is read is what the plain readers of the two formats read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.numpy import load

from service.codecs import documents, safetensors
from service.codecs import json as careful
from service.codecs.arrays import cast, cast_layers
from service.codecs.media import JSON
from service.errors import ServiceError
from service.problems import face_of
from service.schemas.validation import validate
from tests.service.codecs.reading import MODELS

__all__ = ["KINDS", "canonical", "judge", "outcome"]

KINDS = sorted(MODELS)
DTYPES = {"float32": np.float32, "float64": np.float64}


def judge(to: str, body: bytes, media: str, dtype: str) -> tuple[Any, ...]:
    """What came of a request's body; raises AssertionError, or the fault itself, where that may not be."""
    found = outcome(lambda: documents.parse(body, media), to, dtype)
    if media == JSON:
        assert found == outcome(lambda: careful.parse(body), to, dtype), "the two readers do not agree"
        _require_what_json_says(body)
    else:
        _require_what_safetensors_says(body)
    return found


def outcome(parse: Callable[[], dict[str, Any]], to: str, dtype: str) -> tuple[Any, ...]:
    """("read", what was read) or ("refused", kind of problem, places); a fault of the service itself is raised."""
    try:
        return ("read", canonical(_cast(validate(MODELS[to], parse()), dtype)))
    except Exception as error:
        face = face_of(error)
        if face.kind.status >= 500:
            raise
        text = orjson.dumps(face.document)
        assert len(text) < 16_000, "a refusal that repeats what it refuses"
        text.decode("utf-8")
        return ("refused", face.kind.slug, face.detail, tuple(face.faults))


def canonical(value: Any) -> Any:
    """A value that compares: arrays by dtype, shape and bits."""
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, np.ascontiguousarray(value).tobytes())
    if isinstance(value, BaseModel):
        return {name: canonical(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {name: canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    return (type(value).__name__, repr(value))


def _cast(model: BaseModel, dtype: str) -> dict[str, Any]:
    """The fields of a request, its arrays in the network's dtype."""
    fields = {name: getattr(model, name) for name in type(model).model_fields}
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            fields[name] = cast(value, DTYPES[dtype], f"/{name}")
            assert np.isfinite(fields[name]).all()
        elif name in ("layers", "parameters") and value and hasattr(value[0], "weights"):
            fields[name] = cast_layers([(at.weights, at.biases) for at in value], DTYPES[dtype], f"/{name}")
            assert all(np.isfinite(part).all() for pair in fields[name] for part in pair)
    return fields


def _require_what_json_says(body: bytes) -> None:
    document = _parsed(careful.parse, body)
    if document is None:
        return

    def once(members: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(members) == len(dict(members)), "a repeated field was read"
        return dict(members)

    try:
        expected = json.loads(body, object_pairs_hook=once, parse_int=_integer)
        assert repr(document) == repr(expected)
    except RecursionError:
        pass  # deeper than Python goes, and than any request


def _integer(text: str) -> int | float:
    """An integer as orjson reads it: one that no 64 bits hold is a real number."""
    return int(text) if -(2**63) <= int(text) < 2**64 else float(text)


def _require_what_safetensors_says(body: bytes) -> None:
    document = _parsed(safetensors.parse, body)
    if document is None:
        return
    try:
        tensors = load(body)
    except SafetensorError:
        return  # the library refuses more than the format does: a header that is not padded, names of its own
    kept: list[tuple[Any, ...]] = []
    _collect(document, kept)
    assert sorted(kept) == sorted(canonical(tensor) for tensor in tensors.values())


def _parsed(parse: Callable[[bytes], dict[str, Any]], body: bytes) -> dict[str, Any] | None:
    try:
        return parse(body)
    except ServiceError:
        return None


def _collect(value: Any, kept: list[tuple[Any, ...]]) -> None:
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, np.ndarray):
            kept.append(canonical(item))
        elif isinstance(item, dict | list):
            _collect(item, kept)
