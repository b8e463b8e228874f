"""The field types that every schema is made of: strict, bounded, and telling in the OpenAPI document.

Nothing is converted on the way in: `"1"` is no number and `true` no integer. Lists become tuples, so that a model that
was validated cannot change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.config import JsonDict
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from service.codecs import arrays
from service.codecs.arrays import ArrayError

__all__ = [
    "MAX_SAFE_INTEGER",
    "Body",
    "Count",
    "Finite",
    "Items",
    "JsonNumber",
    "LayerNumber",
    "Matrix",
    "Name",
    "NonNegative",
    "Seed",
    "Targets",
    "Tensor3",
    "Timestamp",
    "Vector",
    "VersionNumber",
    "WholeBytes",
    "shown",
]

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

T = TypeVar("T")


def shown(*examples: JsonDict) -> ConfigDict:
    """A model's configuration with examples for the OpenAPI document; each of them is tried by a test."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class Body(BaseModel):
    """A JSON object with exactly the fields that it names."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )


@dataclass(frozen=True)
class _ArrayType:
    """Tells pydantic how an array is read (from nested lists or a tensor) and how OpenAPI shows it."""

    read: Callable[[object], npt.NDArray[Any]]
    schema: Callable[[], dict[str, Any]]

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, Any]:
        return self.schema()

    def _validated(self, value: object) -> npt.NDArray[Any]:
        try:
            return self.read(value)
        except ArrayError as error:
            context = {"detail": error.detail, "pointer": error.pointer}
            raise PydanticCustomError("array", "{detail}", context) from None


def _nested(ndim: int, number: str = "number", **bounds: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": number, **bounds}
    for _ in range(ndim):
        schema = {"type": "array", "minItems": 1, "items": schema}
    return schema


def _numbers(ndim: int) -> _ArrayType:
    return _ArrayType(lambda value: arrays.numbers(value, ndim), lambda: _nested(ndim))


def _target_schema() -> dict[str, Any]:
    return {
        "anyOf": [
            {**_nested(2), "title": "Rows of numbers"},
            {**_nested(1, "integer", minimum=0), "title": "Class labels"},
        ]
    }


Vector = Annotated[npt.NDArray[Any], _numbers(1)]
"""Numbers in one list, at least one."""

Matrix = Annotated[npt.NDArray[Any], _numbers(2)]
"""Rows of numbers, equally long, at least one row and one number in it."""

Tensor3 = Annotated[npt.NDArray[Any], _numbers(3)]
"""Matrices of one shape."""

Targets = Annotated[npt.NDArray[Any], _ArrayType(arrays.targets, _target_schema)]
"""Rows of numbers (floating), or class labels (int64, one dimension)."""


def _listed(value: object) -> object:
    return tuple(value) if type(value) is list else value


Items = Annotated[tuple[T, ...], BeforeValidator(_listed)]
"""A JSON list, kept as a tuple."""


def _printable(name: str) -> str:
    # The C0 and C1 controls, and the two separators that many readers take for line ends.
    if any(c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" or "\ud800" <= c <= "\udfff" for c in name):
        raise PydanticCustomError("name", "A name holds no control characters.")
    return name


Name = Annotated[
    str, Field(max_length=200, description="Free text without control characters."), AfterValidator(_printable)
]
Seed = Annotated[
    int, Field(ge=0, le=MAX_SAFE_INTEGER, description="Makes the start reproducible; chosen at random where absent.")
]
Count = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
LayerNumber = Annotated[int, Field(ge=2, le=MAX_SAFE_INTEGER, description="As in the lecture: layer 1 is the input.")]
WholeBytes = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
VersionNumber = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER, description="Counts the network's updates.")]


def _json_number(value: object) -> object:
    # Pydantic takes whatever has a `__float__`, and a tensor with one entry has.
    if type(value) is not float and type(value) is not int:
        raise PydanticKnownError("float_type")
    return value


JsonNumber = BeforeValidator(_json_number)
"""Stands after the bounds: pydantic would keep bounds that follow it, and describe them under its own names."""

Finite = Annotated[float, Field(allow_inf_nan=False), JsonNumber]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), JsonNumber]
_TIME: JsonDict = {"format": "date-time", "examples": ["2026-01-01T00:00:00.000000Z"]}
Timestamp = Annotated[str, Field(description="UTC, ISO 8601.", json_schema_extra=_TIME)]
