"""docs/notation.md says what core and the wire say: every name exists, with that shape, and no array of an answer is left out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from core import equations
from service.schemas.computing import Backprop, BackpropAnswer, FeedforwardAnswer, SgdStep, SgdStepAnswer
from service.schemas.networks import CreateNetwork, Network
from service.schemas.parameters import Parameters

TEXT = (Path(__file__).parents[1] / "docs" / "notation.md").read_text()
MODELS: list[type[BaseModel]] = [
    CreateNetwork,
    Network,
    Parameters,
    FeedforwardAnswer,
    Backprop,
    BackpropAnswer,
    SgdStep,
    SgdStepAnswer,
]


def rows(heading: str) -> list[list[str]]:
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


SYMBOLS = rows("Symbols")


def followed(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that a schema may stand for, through references and alternatives."""
    if "$ref" in schema:
        yield from followed(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    alternatives = [choice for name in ("anyOf", "oneOf") for choice in schema.get(name, [])]
    for choice in alternatives:
        yield from followed(choice, root)
    yield schema


def found(schema: dict[str, Any], root: dict[str, Any], path: list[str]) -> Iterator[dict[str, Any]]:
    """Every field that a path such as ["layers[]", "weights"] leads to."""
    if not path:
        yield schema
        return
    name = path[0].removesuffix("[]")
    for each in followed(schema, root):
        field = each.get("properties", {}).get(name)
        if field is None:
            continue
        if path[0] == name:
            yield from found(field, root, path[1:])
        else:
            for listed in followed(field, root):
                if "items" in listed:
                    yield from found(listed["items"], root, path[1:])


def on_the_wire(name: str) -> list[dict[str, Any]]:
    schemas = [model.model_json_schema() for model in MODELS]
    return [field for schema in schemas for field in found(schema, schema, name.split("."))]


def in_core(name: str) -> Any:
    """What a dotted name below core stands for; a field of a dataclass is the field."""
    dotted, _, argument = name.rstrip(")").partition("(")
    parts = dotted.split(".")
    count = next(n for n in range(len(parts), 0, -1) if is_module("core." + ".".join(parts[:n])))
    thing: Any = import_module("core." + ".".join(parts[:count]))
    for part in parts[count:]:
        declared = {field.name: field for field in fields(thing)} if is_dataclass(thing) else {}
        thing = declared[part] if part in declared else getattr(thing, part)
    return inspect.signature(thing).parameters[argument] if argument else thing


def is_module(name: str) -> bool:
    try:
        import_module(name)
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("row", SYMBOLS, ids=[row[0] for row in SYMBOLS])
def test_every_symbol_is_where_it_says(row: list[str]) -> None:
    _, _, shape, name, field = row
    assert in_core(name.strip("`")) is not None
    if not field:
        return
    fields_found = on_the_wire(field.strip("`"))
    assert fields_found, f"no body has {field}"
    shown = [each["description"] for each in fields_found if "(m" in each.get("description", "")]
    for description in shown:
        if shape:
            assert shape in description, f"{field} is documented as {description}"


def test_no_array_of_a_pass_is_left_out() -> None:
    named = {row[4].strip("`") for row in SYMBOLS}
    for model in (Backprop, BackpropAnswer, FeedforwardAnswer, SgdStepAnswer):
        schema = model.model_json_schema()
        for field, content in schema["properties"].items():
            listed = [each["items"] for each in followed(content, schema) if "items" in each]
            inner = {
                f"{field}[].{name}"
                for item in listed
                for each in followed(item, schema)
                for name in each.get("properties", {})
            }
            wanted = inner or {field}
            assert wanted - {"version", "include", f"{field}[].layer"} <= named


def test_the_equations_are_those_of_core() -> None:
    table = rows("Equations")
    assert [row[0] for row in table] == ["(0)", "(1)", "(2)", "(3)", "(4)"]
    for number, equation, name in table:
        assert f"{number}  {equation}" in inspect.getdoc(getattr(equations, name.strip("`")))
    numbered = {
        name for name in equations.__all__ if re.match(r"\(\d\)", inspect.getdoc(getattr(equations, name)) or "")
    }
    assert numbered == {row[2].strip("`") for row in table}
