"""Every example of the OpenAPI document, sent to a running service in both media types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end import tensors

DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = [
    (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
]
JSON = "application/json"
CHANGING = {"id", "network", "created_at", "updated_at", "started_at", "finished_at", "store", "blas", "version"}
"""What differs from run to run, and is only there."""


def _examples(content: dict[str, Any]) -> dict[str, Any]:
    found = content.get(JSON, {}).get("examples", {})
    return {name: example["value"] for name, example in found.items()}


CREATE = _examples(DOCUMENT["paths"]["/v1/networks"]["post"]["requestBody"]["content"])
FEEDFORWARD = _examples(DOCUMENT["paths"]["/v1/networks/{network}/feedforward"]["post"]["requestBody"]["content"])
CASES = [
    pytest.param(path, method, operation, name, body, id=f"{operation['operationId']}-{name}")
    for path, method, operation in OPERATIONS
    for name, body in (
        _examples(operation["requestBody"]["content"]) if "requestBody" in operation else {"": None}
    ).items()
]


@pytest.fixture
def network(client: httpx.Client) -> str:
    """The network that the examples use, with the checkpoint that they go back to."""
    made = client.post("/v1/networks", json=CREATE["small"])
    client.post(f"{made.headers['location']}/checkpoints", json={"name": "start"})
    return str(made.json()["id"])


@pytest.fixture
def job(client: httpx.Client, network: str) -> str:
    """A job that has finished."""
    body, headers = FEEDFORWARD["outputs"], {"prefer": "respond-async"}
    place = client.post(f"/v1/networks/{network}/feedforward", json=body, headers=headers).headers["location"]
    assert client.get(f"{place}?wait=20").json()["status"] == "succeeded"
    return place.removeprefix("/v1/jobs/")


def of(network: str, example: Any) -> Any:
    """The example with the id of this network in place of the one that is shown."""
    shown = CREATE["fork"]["from"]["network"]
    return json.loads(json.dumps(example).replace(shown, network))


def same(found: Any, shown: Any, *, loosely: bool = False) -> None:
    """The answer is the example's, but for what changes from run to run and for the last digits."""
    if isinstance(shown, dict):
        assert found.keys() == shown.keys()
        for key, value in shown.items():
            if not (key in CHANGING and isinstance(value, str)):
                same(found[key], value, loosely=loosely)
    elif isinstance(shown, list) and not loosely:
        assert len(found) == len(shown)
        for one, other in zip(found, shown, strict=True):
            same(one, other)
    elif isinstance(shown, float):
        assert found == pytest.approx(shown, rel=1e-4)
    elif not loosely:
        assert found == shown


def test_every_operation_with_a_body_has_examples() -> None:
    assert len(OPERATIONS) >= 17
    for _path, _method, operation in OPERATIONS:
        for content in (
            operation.get("requestBody", {}).get("content"),
            operation["responses"].get("200", {}).get("content"),
        ):
            if content and JSON in content and "$ref" in content[JSON]["schema"]:
                assert _examples(content), operation["operationId"]


@pytest.mark.parametrize(("path", "method", "operation", "name", "body"), CASES)
def test_an_example(
    client: httpx.Client,
    network: str,
    job: str,
    path: str,
    method: str,
    operation: dict[str, Any],
    name: str,
    body: Any,
) -> None:
    names = {"network": network, "job": job, "slug": "invalid-input", "checkpoint": "start"}
    place = re.sub("{([a-z]+)}", lambda name: names[name[1]], path)
    status, answer = next((code, answer) for code, answer in operation["responses"].items() if code[0] == "2")
    response = (
        client.request(method, place, json=of(network, body)) if body is not None else client.request(method, place)
    )
    assert response.status_code == int(status), response.text
    media = response.headers.get("content-type", "").split(";")[0]
    assert media in answer.get("content", {"": None})
    assert {header.lower() for header in answer.get("headers", {})} <= {*response.headers}
    shown = _examples(answer.get("content", {}))
    if name in shown:
        same(response.json(), shown[name])
    elif shown and operation["operationId"] not in ("listNetworks", "listJobs", "getInfo"):
        same(response.json(), next(iter(shown.values())))
    elif shown:  # what there is differs from server to server
        assert response.json().keys() == next(iter(shown.values())).keys()


@pytest.mark.parametrize(
    ("path", "method", "operation", "name", "body"), [case for case in CASES if case.values[4] is not None]
)
def test_an_example_as_tensors(
    client: httpx.Client, network: str, path: str, method: str, operation: dict[str, Any], name: str, body: Any
) -> None:
    assert tensors.MEDIA in operation["requestBody"]["content"]
    place = path.replace("{network}", network)
    headers = {"content-type": tensors.MEDIA}
    raw = client.request(method, place, content=tensors.encode(of(network, body)), headers=headers)
    assert raw.is_success, raw.text
    assert raw.headers["content-type"] == tensors.MEDIA
    status = str(raw.status_code)
    assert tensors.MEDIA in operation["responses"][status]["content"]
    shown = _examples(operation["responses"][status]["content"])[name]
    arrays, rest = tensors.decode(raw.content)
    expected = tensors.flatten(shown)
    assert arrays.keys() == expected.keys()
    for key, array in expected.items():
        assert arrays[key] == pytest.approx(array)
    same(rest, {key: value for key, value in shown.items() if key in rest}, loosely=True)
    scalars = {key for key, value in shown.items() if not isinstance(value, list)}
    assert scalars <= rest.keys()


@pytest.mark.parametrize("media", [JSON, tensors.MEDIA])
@pytest.mark.parametrize(
    ("path", "method", "operation", "name", "body"),
    [case for case in CASES if "202" in case.values[2]["responses"]],
)
def test_an_example_that_becomes_a_job(
    client: httpx.Client,
    network: str,
    media: str,
    path: str,
    method: str,
    operation: dict[str, Any],
    name: str,
    body: Any,
) -> None:
    place, preferred = path.replace("{network}", network), {"prefer": "respond-async", "accept": media}
    response = client.request(method, place, json=of(network, body), headers=preferred)
    assert response.status_code == 202, response.text
    described = operation["responses"]["202"]
    assert {header.lower() for header in described["headers"]} <= {*response.headers}
    shown = _examples(described["content"])["queued"]
    told = response.json() if media == JSON else tensors.decode(response.content)[1]
    assert told.keys() == shown.keys()
    assert told["kind"] == path.rpartition("/")[2]
    done = client.get(response.headers["location"], params={"wait": 20}).json()
    assert done["status"] == "succeeded"
    result = client.get(f"{response.headers['location']}/result")
    assert result.headers["content-type"] == media
    if media == JSON:
        same(result.json(), _examples(operation["responses"]["200"]["content"])[name])
