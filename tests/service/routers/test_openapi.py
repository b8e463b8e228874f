"""The OpenAPI document: whole, fresh, and made from the same list as the routes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service import cli
from service.problems import PROBLEMS
from service.routers import ENDPOINTS, openapi_document

DOCUMENT: dict[str, Any] = json.loads(openapi_document())
OPERATIONS = {
    operation["operationId"]: operation
    for item in DOCUMENT["paths"].values()
    for method, operation in item.items()
    if method != "parameters"
}
MOVES_ARRAYS = {"createNetwork", "getParameters", "putParameters", "feedforward", "backprop", "sgdStep"}


def test_the_committed_document_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    committed = Path(__file__).parents[3] / "openapi" / "openapi.json"
    assert cli.main(["openapi"]) == 0
    assert capsys.readouterr().out == committed.read_text(encoding="utf-8")


def test_every_listed_endpoint_is_there_once() -> None:
    listed = [endpoint.operation for endpoint in ENDPOINTS if endpoint.listed]
    assert sorted(OPERATIONS) == sorted(listed)
    assert len(set(listed)) == len(listed)


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    waiting: list[Any] = [DOCUMENT]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/components/schemas/") in schemas
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


@pytest.mark.parametrize("name", sorted(MOVES_ARRAYS))
def test_what_moves_arrays_speaks_both_types_both_ways(name: str) -> None:
    operation = OPERATIONS[name]
    both = {"application/json", "application/vnd.safetensors"}
    if "requestBody" in operation:
        assert operation["requestBody"]["content"].keys() == both
    answer = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    assert answer["content"].keys() == both


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_problems_are_problem_documents_of_their_status(name: str) -> None:
    responses = OPERATIONS[name]["responses"]
    assert "default" in responses
    for status, response in responses.items():
        if status[0] in "45":
            schema = response["content"]["application/problem+json"]["schema"]
            for one in schema.get("oneOf", [schema]):
                kind = DOCUMENT["components"]["schemas"][one["$ref"].rsplit("/", 1)[1]]
                assert kind["allOf"][1]["properties"]["status"] == {"const": int(status)}


def test_every_problem_has_a_schema() -> None:
    union = DOCUMENT["components"]["schemas"]["AnyProblem"]["oneOf"]
    assert len(union) == len(PROBLEMS)
