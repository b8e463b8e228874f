"""A document against a model: what pydantic finds is said in our words, with JSON pointers, and echoes no input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from service.codecs import json
from service.codecs.matrices import WithMatrices
from service.codecs.pointers import excerpt, join
from service.errors import Fault, InvalidInput

__all__ = ["MAX_FAULTS", "faults", "fitting", "validate"]

MAX_FAULTS = 20

ModelT = TypeVar("ModelT", bound=BaseModel)

_TEXTS: Mapping[str, str] = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field here.",
    "union_tag_not_found": "This field is required.",
    "bool_type": "This is neither true nor false.",
    "int_type": "This is not an integer.",
    "int_from_float": "This is not an integer.",
    "float_type": "This is not a number.",
    "finite_number": "This is not a finite number.",
    "string_type": "This is not a string.",
    "tuple_type": "This is not a list.",
    "list_type": "This is not a list.",
    "dict_type": "This is not an object.",
    "model_type": "This is not an object.",
    "too_short": "This list is too short.",
    "model_attributes_type": "This is not an object.",
}


def validate(model: type[ModelT], document: object) -> ModelT:
    """The document as a `model`.

    Raises:
        InvalidInput: every fault that was found (the first 20), in the model's order.
    """
    try:
        return _validated(model, document)
    except ValidationError as error:
        if isinstance(document, WithMatrices):
            return validate(model, json.parse(document.body))  # which has the place of every number
        found = faults(error, document)
    raise InvalidInput.of(*found)


def fitting(model: type[ModelT], document: WithMatrices) -> ModelT | None:
    """The document as a `model`; None where it is none, for which `validate` finds the places of all its numbers first."""
    try:
        return _validated(model, document)
    except ValidationError:
        return None


def _validated(model: type[ModelT], document: object) -> ModelT:
    # Pydantic, being strict, takes a dict for an object and nothing that is derived from it.
    # `model_validate` is this, with a look at arguments that nobody gives.
    return model.__pydantic_validator__.validate_python(  # type: ignore[no-any-return]  # the model is what it makes
        dict(document) if isinstance(document, WithMatrices) else document
    )


def faults(error: ValidationError, document: object) -> tuple[Fault, ...]:
    """The faults that pydantic found in `document`, as pointers and sentences."""
    details = error.errors(include_url=False, include_input=False)
    # A list whose only items are wrong is also called too short by pydantic; its items say it better.
    wrong = {detail["loc"][:-1] for detail in details} | {detail["loc"][:-2] for detail in details}
    telling = [detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in wrong]
    return tuple(Fault(_place(detail, document), _text(detail)) for detail in telling[:MAX_FAULTS])


def _place(detail: ErrorDetails, document: object) -> str:
    path = _path(detail["loc"], document)
    if detail["type"].startswith("union_tag_"):
        path.append("kind")  # pydantic names the object that has none, or a wrong one
    inside = str(detail.get("ctx", {}).get("pointer", ""))
    return join("", path) + inside


def _path(loc: Sequence[str | int], document: object) -> list[str | int]:
    """Pydantic's location without the tags that it adds for the members of a union on `kind`."""
    path: list[str | int] = []
    node: Any = document
    tagged = False
    for part in loc:
        if not tagged and isinstance(node, dict) and path and part == node.get("kind"):
            tagged = True
            continue
        path.append(part)
        tagged = False
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            node = None
    return path


def _text(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _TEXTS:
        return _TEXTS[kind]
    if kind == "union_tag_invalid":
        return f"This is one of {context['expected_tags']}."
    if kind == "literal_error":
        return f"This is one of {context['expected']}."
    text = excerpt(detail["msg"], 300)
    return text if text.endswith(".") else f"{text}."
