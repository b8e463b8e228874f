"""Checkpoints, restore, fork and retention over HTTP, on a real server and its disk."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.end_to_end import tensors
from tests.end_to_end.conftest import XOR
from tests.end_to_end.running import Running

STEP = {"inputs": [[0, 1]], "targets": [[1]], "optimizer": {"kind": "adam", "learning_rate": 0.05}}


def step(client: httpx.Client, path: str, times: int = 1) -> int:
    for _ in range(times):
        answer = client.post(f"{path}/sgd-step", json=STEP)
        assert answer.status_code == 200, answer.text
    return int(answer.json()["version"])


def layers(client: httpx.Client, path: str, version: int | None = None) -> Any:
    query = {} if version is None else {"version": version}
    return client.get(f"{path}/parameters", params=query).json()["layers"]


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("/problems/")


def test_a_checkpoint_is_made_listed_described_and_taken_away(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    step(client, path, 2)
    made = client.post(f"{path}/checkpoints", json={"name": "näher ∂ 50%"})
    assert made.status_code == 201
    assert made.headers["location"] == f"{path}/checkpoints/n%C3%A4her%20%E2%88%82%2050%25"
    assert (made.json()["name"], made.json()["version"]) == ("näher ∂ 50%", 2)
    early = client.post(f"{path}/checkpoints", json={"name": "early", "version": 1}).json()
    assert client.get(f"{path}/checkpoints").json() == {"checkpoints": [made.json(), early]}
    assert client.get(made.headers["location"]).json() == made.json()
    assert client.get(path).json()["version"] == 2, "a name makes no version"
    listed = client.get(f"{path}/versions").json()
    assert [one["checkpoints"] for one in listed["versions"]] == [["näher ∂ 50%"], ["early"], []]
    assert listed["stored_bytes"] == sum(one["stored_bytes"] for one in listed["versions"]) > 0
    gone = client.delete(made.headers["location"])
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "DELETE"):
        assert problem(client.request(method, made.headers["location"])) == (404, "not-found")
    assert client.get(f"{path}/checkpoints").json() == {"checkpoints": [early]}


def test_restore_brings_parameters_and_optimizer_back(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    step(client, path, 3)
    client.post(f"{path}/checkpoints", json={"name": "three"})
    wanted = layers(client, path)
    step(client, path)
    after_one = layers(client, path)
    step(client, path, 4)
    restored = client.post(f"{path}/restore", json={"checkpoint": "three"}, headers={"if-match": '"8"'})
    source = {"checkpoint": "three", "version": 3}
    assert (restored.status_code, restored.headers["etag"]) == (200, '"9"')
    assert restored.json() == {"version": 9, "source": source}
    assert layers(client, path) == wanted
    step(client, path)
    assert layers(client, path) == after_one, "Adam's moments and its count came back too"
    newest = client.get(f"{path}/versions?limit=2").json()["versions"][1]
    assert (newest["version"], newest["made_by"], newest["source"]) == (9, "restore", source)


def test_checkpoints_in_tensors(client: httpx.Client, create: Callable[..., str]) -> None:
    path, headers = create(), {"content-type": tensors.MEDIA}
    for place, body, status in (
        ("/checkpoints", {"name": "x"}, 201),
        ("/restore", {"checkpoint": "x"}, 200),
    ):
        answer = client.post(path + place, content=tensors.encode(body), headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, tensors.MEDIA)
    assert client.get(f"{path}/checkpoints", headers={"accept": tensors.MEDIA}).headers["content-type"] == tensors.MEDIA


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": "a/b"}, "/name"),
        ({"name": ".."}, "/name"),
        ({"name": "x", "version": -1}, "/version"),
        ({"name": "x", "version": True}, "/version"),
        ({"name": "x", "version": 0.5}, "/version"),
        ({"name": "x", "more": 1}, "/more"),
    ],
)
def test_a_wrong_checkpoint_is_told_where(
    client: httpx.Client, create: Callable[..., str], body: dict[str, Any], pointer: str
) -> None:
    path = create()
    refused = client.post(f"{path}/checkpoints", json=body)
    assert problem(refused) == (422, "invalid-input")
    assert refused.json()["errors"][0]["pointer"] == pointer
    assert client.get(f"{path}/checkpoints").json() == {"checkpoints": []}


def test_what_cannot_be_named_restored_or_forked(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    client.post(f"{path}/checkpoints", json={"name": "taken"})
    taken = client.post(f"{path}/checkpoints", json={"name": "taken"})
    assert problem(taken) == (409, "already-exists")
    assert problem(client.post(f"{path}/checkpoints", json={"name": "x", "version": 1})) == (404, "not-found")
    assert problem(client.post(f"{path}/restore", json={"checkpoint": "x"})) == (404, "not-found")
    assert problem(client.post(f"{path}/restore", json={})) == (422, "invalid-input")
    for place in ("/checkpoints", "/restore"):
        body = {"name": "x"} if place == "/checkpoints" else {"checkpoint": "x"}
        assert problem(client.post(f"/v1/networks/net_none{place}", json=body)) == (404, "not-found")
    assert problem(client.get("/v1/networks/net_none/checkpoints")) == (404, "not-found")
    put = client.put(f"{path}/checkpoints")
    assert (put.status_code, put.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert client.get(path).json()["version"] == 0


def test_conditions_and_keys(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    step(client, path)
    key = {"idempotency-key": "named"}
    for place, body in (("/checkpoints", {"name": "a"}), ("/restore", {"checkpoint": "a"})):
        stale = client.post(path + place, json=body, headers={"if-match": '"0"', **key})
        assert (problem(stale), stale.headers["etag"]) == ((412, "stale-precondition"), '"1"')
    first = client.post(f"{path}/checkpoints", json={"name": "a"}, headers={"if-match": '"1"', **key})
    again = client.post(f"{path}/checkpoints", json={"name": "a"}, headers=key)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["location"] == first.headers["location"]
    other = client.post(f"{path}/checkpoints", json={"name": "b"}, headers=key)
    assert problem(other) == (422, "idempotency-mismatch")
    back = {"idempotency-key": "restored"}
    answers = [client.post(f"{path}/restore", json={"checkpoint": "a"}, headers=back) for _ in range(3)]
    assert {(answer.content, answer.headers["etag"]) for answer in answers} == {(answers[0].content, '"2"')}
    stale = client.delete(f"{path}/checkpoints/a", headers={"if-match": '"1"'})
    assert problem(stale) == (412, "stale-precondition")
    assert client.delete(f"{path}/checkpoints/a", headers={"if-match": '"2"'}).status_code == 204
    assert client.get(path).json()["version"] == 2


def test_one_name_has_one_winner(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(
            lambda _: client.post(f"{path}/checkpoints", json={"name": "raced"}).status_code, range(8)
        )
        assert sorted(answers) == [201] + [409] * 7


def test_a_fork_starts_where_its_source_is(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create(name="source")
    source = client.get(path).json()
    step(client, path, 4)
    fork = client.post("/v1/networks", json={"from": {"network": source["id"], "version": 3}, "name": "fork"})
    assert (fork.status_code, fork.headers["etag"]) == (201, '"0"')
    made, place = fork.json(), fork.headers["location"]
    same = set(source) - {"id", "name", "created_at", "updated_at"}
    assert {name: made[name] for name in same} == {name: source[name] for name in same}
    assert (made["name"], made["version"]) == ("fork", 0)
    assert layers(client, place) == layers(client, path, 3)
    step(client, place)
    assert layers(client, place) == layers(client, path, 4), "the optimizer's memory was forked too"
    first = client.get(f"{place}/versions").json()["versions"][1]
    assert (first["version"], first["made_by"]) == (0, "fork")
    assert first["source"] == {"network": source["id"], "version": 3}
    current = client.post("/v1/networks", json={"from": {"network": source["id"]}})
    assert current.json()["name"] is None
    assert layers(client, current.headers["location"]) == layers(client, path, 4)
    client.delete(path)
    assert step(client, place) == 2


@pytest.mark.parametrize("field", [*XOR, "cost", "parameters"])
def test_a_fork_takes_no_other_spec(client: httpx.Client, create: Callable[..., str], field: str) -> None:
    source = create().rsplit("/", 1)[1]
    given = {"cost": "quadratic", "parameters": []} | XOR
    refused = client.post("/v1/networks", json={"from": {"network": source}, field: given[field]})
    assert problem(refused) == (422, "invalid-input")
    assert refused.json()["errors"] == [
        {
            "pointer": f"/{field}",
            "detail": f"A fork has the spec of its source: `from` leaves no room for `{field}`.",
        }
    ]


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        (None, "/from"),
        ("net_x", "/from"),
        ({}, "/from/network"),
        ({"network": 3}, "/from/network"),
        ({"network": "../x"}, "/from/network"),
        ({"network": "net_x", "version": -1}, "/from/version"),
        ({"network": "net_x", "more": 1}, "/from/more"),
    ],
)
def test_a_wrong_source_is_told_where(client: httpx.Client, source: Any, pointer: str) -> None:
    refused = client.post("/v1/networks", json={"from": source})
    assert problem(refused) == (422, "invalid-input")
    assert refused.json()["errors"][0]["pointer"] == pointer


def test_a_fork_of_what_is_not_there(client: httpx.Client, create: Callable[..., str]) -> None:
    source = create().rsplit("/", 1)[1]
    for asked in ({"network": "net_none"}, {"network": source, "version": 1}):
        assert problem(client.post("/v1/networks", json={"from": asked})) == (404, "not-found")


def test_a_fork_with_a_key_is_made_once(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    body, key = {"from": {"network": path.rsplit("/", 1)[1]}}, {"idempotency-key": f"fork {path}".replace(" ", "-")}
    first = client.post("/v1/networks", json=body, headers=key)
    client.delete(path)
    again = client.post("/v1/networks", json=body, headers=key)
    assert (again.status_code, again.content) == (201, first.content)


def test_named_versions_outlive_retention_and_kill_9(launch: Callable[..., Running]) -> None:
    running = launch("--keep-versions", "3", "--max-checkpoints", "2")
    client = running.client()
    path = client.post("/v1/networks", json=XOR).headers["location"]
    start = layers(client, path)
    client.post(f"{path}/checkpoints", json={"name": "start"})
    step(client, path, 8)
    assert problem(client.get(f"{path}/parameters?version=4")) == (410, "gone")
    assert problem(client.post(f"{path}/checkpoints", json={"name": "x", "version": 4})) == (410, "gone")
    assert problem(client.post("/v1/networks", json={"from": {"network": path[13:], "version": 4}})) == (410, "gone")
    client.post(f"{path}/checkpoints", json={"name": "six", "version": 6})
    full = client.post(f"{path}/checkpoints", json={"name": "seven", "version": 7})
    assert problem(full) == (413, "too-large")
    assert full.json()["figures"] == {"asked": 3, "limit": 2}
    running.kill()
    running.start()
    client = running.client()
    retained = [one["version"] for one in client.get(f"{path}/versions").json()["versions"] if one["retained"]]
    assert retained == [8, 7, 6, 0]
    assert layers(client, path, 0) == start
    client.post(f"{path}/restore", json={"checkpoint": "start"})
    assert layers(client, path) == start
    client.delete(f"{path}/checkpoints/{quote('start')}")
    step(client, path)
    assert problem(client.get(f"{path}/parameters?version=0")) == (410, "gone")
    assert problem(client.post(f"{path}/restore", json={"checkpoint": "start"})) == (404, "not-found")
    retention = client.get("/v1/info").json()["retention"]
    assert retention["keep_versions"] == 3
