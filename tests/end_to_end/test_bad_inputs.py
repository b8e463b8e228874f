"""The corpus of bad inputs over HTTP: each is answered as a problem, none of them changes anything, and the server stays well."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.end_to_end.running import Running, require_ready
from tests.service.codecs import bad_inputs
from tests.service.codecs.bad_inputs import BadInput
from tests.service.codecs.reading import LIMIT

SPEC = {"inputs": 2, "layers": [{"units": 1, "activation": "sigmoid"}], "seed": 0}
ROUTES = {
    "create": ("POST", "/v1/networks"),
    "rename": ("PATCH", "{network}"),
    "put-parameters": ("PUT", "{network}/parameters"),
    "feedforward": ("POST", "{network}/feedforward"),
    "backprop": ("POST", "{network}/backprop"),
    "sgd-step": ("POST", "{network}/sgd-step"),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    running = Running(tmp_path_factory.mktemp("bad-inputs"), "--max-body-bytes", str(LIMIT))
    yield running.client()
    running.stop()


@pytest.fixture(scope="module")
def network(client: httpx.Client) -> Iterator[str]:
    path = client.post("/v1/networks", json=SPEC).headers["location"]
    before = client.get(f"{path}/parameters").json()
    yield path
    assert client.get(f"{path}/parameters").json() == before
    assert client.get(path).json()["name"] is None
    assert len(client.get("/v1/networks").json()["networks"]) == 1
    require_ready(client)


@pytest.mark.parametrize("case", bad_inputs.load(), ids=lambda case: case.name)
def test_is_answered_with_its_problem(client: httpx.Client, network: str, case: BadInput) -> None:
    method, path = ROUTES[case.to]
    response = client.request(method, path.format(network=network), content=case.body, headers=case.headers)
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == f"/problems/{case.problem}"
    assert document["status"] == response.status_code < 500
    if case.pointer is not None:
        assert document["errors"][0]["pointer"] == case.pointer
