"""The field types: strict on the way in, and telling in the OpenAPI document."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import Field, ValidationError

from service.errors import InvalidInput
from service.schemas.base import (
    MAX_SAFE_INTEGER,
    Body,
    Count,
    Finite,
    Items,
    LayerNumber,
    Matrix,
    Name,
    NonNegative,
    Seed,
    Targets,
    Tensor3,
    Vector,
    VersionNumber,
)
from service.schemas.validation import validate


class Everything(Body):
    """One field of each type."""

    vector: Vector = Field(default_factory=lambda: np.ones(1))
    matrix: Matrix = Field(default_factory=lambda: np.ones((1, 1)))
    tensor: Tensor3 = Field(default_factory=lambda: np.ones((1, 1, 1)))
    targets: Targets = Field(default_factory=lambda: np.ones((1, 1)))
    name: Name = ""
    seed: Seed = 0
    count: Count = 1
    layer: LayerNumber = 2
    version: VersionNumber = 0
    finite: Finite = 0.0
    positive: NonNegative = 0.0
    items: Items[int] = ()
    flag: bool = False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 200),
        ("name", "Größe \U0001f600 <b>\u200b"),
        ("seed", 0),
        ("seed", 2**53 - 1),
        ("count", 1),
        ("layer", 2),
        ("version", 0),
        ("finite", -1.5),
        ("finite", 3),
        ("positive", 0),
        ("positive", -0.0),
        ("positive", 1e308),
        ("flag", True),
    ],
)
def test_is_taken(field: str, value: Any) -> None:
    assert getattr(validate(Everything, {field: value}), field) == value


NOT_INTEGERS: list[Any] = [
    True,
    False,
    None,
    "1",
    1.0,
    1.5,
    [],
    [1],
    {},
    np.float64(1),
    np.array(1),
    np.array([1]),
    -1,
    2**53,
    2**64,
    10**400,
]
NOT_NUMBERS: list[Any] = [
    True,
    None,
    "1",
    [],
    [1.0],
    {},
    float("nan"),
    float("inf"),
    -float("inf"),
    np.ones(1),
    np.float32(1),
    np.array(1.0),
]
NOT_NAMES: list[Any] = [None, 1, True, [], ["a"], "x" * 201, "\x00", "a\nb", "\x7f", "\x85", "\u2028", "\ud800", b"a"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in ("seed", "count", "layer", "version") for value in NOT_INTEGERS),
        *((field, value) for field in ("finite", "positive") for value in NOT_NUMBERS),
        *(("name", value) for value in NOT_NAMES),
        *(("items", value) for value in ("1", {"0": 1}, 1, None, np.ones(2), {1}, [1.0], [True], ["1"])),
        *(("flag", value) for value in (0, 1, "true", None, [])),
        ("count", 0),
        ("layer", 1),
        ("positive", -1e-300),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_is_refused_at_its_place(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate(Everything, {field: value})
    assert {fault.pointer for fault in caught.value.faults} <= {f"/{field}", f"/{field}/0"}


def test_arrays_are_taken_from_lists_and_from_tensors() -> None:
    document = {"vector": [1, 2.5], "matrix": [[1.0]], "tensor": [[[1]]], "targets": [0, 3]}
    model = validate(Everything, document)
    assert (model.vector.tolist(), model.targets.tolist()) == ([1.0, 2.5], [0, 3])
    again = validate(Everything, {name: getattr(model, name) for name in document})
    assert all(getattr(again, name) is getattr(model, name) for name in document if name != "targets")


def test_a_model_cannot_change() -> None:
    model = validate(Everything, {"items": [1, 2]})
    assert model.items == (1, 2)
    with pytest.raises(ValidationError):
        model.seed = 3


def test_arrays_are_nested_arrays_of_numbers_in_the_schema() -> None:
    fields = Everything.model_json_schema()["properties"]
    number = {"type": "number"}
    row = {"type": "array", "minItems": 1, "items": number}
    shown = {
        name: {key: part for key, part in fields[name].items() if key not in ("default", "title")} for name in fields
    }
    assert shown["vector"] == row
    assert shown["matrix"] == {"type": "array", "minItems": 1, "items": row}
    assert shown["tensor"] == {"type": "array", "minItems": 1, "items": {"type": "array", "minItems": 1, "items": row}}
    labels = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}, "title": "Class labels"}
    assert shown["targets"]["anyOf"][1] == labels
    assert (shown["seed"]["minimum"], shown["seed"]["maximum"]) == (0, MAX_SAFE_INTEGER)
    assert shown["name"]["maxLength"] == 200
    assert Everything.model_json_schema()["additionalProperties"] is False
