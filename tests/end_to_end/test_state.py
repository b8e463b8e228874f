"""Versions, conditions and keys over HTTP: a write replaces the version that it names, and is applied once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.end_to_end.running import Running

STEP = {"inputs": [[0, 1]], "targets": [[1]], "optimizer": {"kind": "sgd", "learning_rate": 0.5}}
WORSE = {**STEP, "targets": [[0]]}


def _state(client: httpx.Client, path: str) -> tuple[bytes, bytes]:
    return client.get(path).content, client.get(f"{path}/parameters").content


@pytest.mark.parametrize(
    ("method", "place", "body"),
    [
        ("POST", "/sgd-step", STEP),
        ("PUT", "/parameters", None),
        ("PATCH", "", {"name": "changed"}),
        ("DELETE", "", None),
    ],
)
def test_if_match(
    client: httpx.Client, create: Callable[..., str], method: str, place: str, body: dict[str, object] | None
) -> None:
    path = create()
    client.post(f"{path}/sgd-step", json=STEP)
    body = client.get(f"{path}/parameters").json() if method == "PUT" else body
    before = _state(client, path)

    def ask(condition: str) -> httpx.Response:
        return client.request(method, path + place, json=body, headers={"if-match": condition})

    for stale in ('"0"', '"2", "7"', 'W/"1"', '"one"', '""', '"01"'):
        refused = ask(stale)
        assert (refused.status_code, refused.headers["etag"]) == (412, '"1"'), stale
        assert refused.json()["type"] == "/problems/stale-precondition"
    for broken in ("1", "", '"1', "*, *", '"1" "2"', "w/1"):
        assert ask(broken).status_code == 400, broken
    assert _state(client, path) == before
    assert ask('"0", "1" , W/"9"').is_success
    if method != "DELETE":
        assert ask("*").is_success
    twice = [("if-match", '"0"'), ("if-match", '"1"'), ("if-match", '"2"'), ("if-match", '"3"')]
    if method != "DELETE":
        assert client.request(method, path + place, json=body, headers=twice).is_success


def test_if_none_match_saves_the_parameters(client: httpx.Client, create: Callable[..., str]) -> None:
    path = f"{create()}/parameters"
    for tag in ('"0"', 'W/"0"', '"5", "0"', "*"):
        same = client.get(path, headers={"if-none-match": tag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"0"')
    assert client.get(path, headers={"if-none-match": '"1"'}).status_code == 200
    assert client.get(path, headers={"if-none-match": "0"}).status_code == 400


def test_a_key_gives_the_first_answer_again(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    key = {"idempotency-key": "first"}
    first = client.post(f"{path}/sgd-step", json=STEP, headers={**key, "if-match": '"0"'})
    client.post(f"{path}/sgd-step", json=STEP)
    for headers in (key, {**key, "if-match": '"0"'}, {**key, "if-match": '"2"'}):
        again = client.post(f"{path}/sgd-step", json=STEP, headers=headers)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["etag"] == first.headers["etag"] == '"1"'
    assert client.get(path).json()["version"] == 2


def test_a_key_belongs_to_one_request(client: httpx.Client, create: Callable[..., str]) -> None:
    path, key = create(), {"idempotency-key": "k" * 255}
    assert client.post(f"{path}/sgd-step", json=STEP, headers=key).status_code == 200
    other = client.post(f"{path}/sgd-step", json=WORSE, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
    # Another network is another scope.
    assert client.post(f"{create()}/sgd-step", json=WORSE, headers=key).status_code == 200
    assert client.get(path).json()["version"] == 1


def test_creating_with_a_key_creates_once(client: httpx.Client) -> None:
    spec = {"inputs": 1, "layers": [{"units": 1, "activation": "tanh"}]}
    key = {"idempotency-key": "make-one"}
    first, second = (client.post("/v1/networks", json=spec, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    other = client.post("/v1/networks", json={**spec, "inputs": 2}, headers=key)
    assert other.json()["type"] == "/problems/idempotency-mismatch"


def test_a_refused_request_does_not_use_its_key_up(client: httpx.Client, create: Callable[..., str]) -> None:
    path, key = create(), {"idempotency-key": "again"}
    wrong = {**STEP, "inputs": [[0, 1, 2]]}
    assert client.post(f"{path}/sgd-step", json=wrong, headers=key).status_code == 422
    assert client.post(f"{path}/sgd-step", json=STEP, headers={**key, "if-match": '"3"'}).status_code == 412
    assert client.post(f"{path}/sgd-step", json=STEP, headers=key).json()["version"] == 1


@pytest.mark.parametrize("key", ["", "k" * 256, "with space", "ümlaut".encode("latin-1"), "tab\there"])
def test_a_key_is_visible_ascii(client: httpx.Client, create: Callable[..., str], key: str | bytes) -> None:
    path = create()
    refused = client.post(f"{path}/sgd-step", json=STEP, headers={"idempotency-key": key})
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/malformed-body")
    twice = [("idempotency-key", "a"), ("idempotency-key", "b")]
    assert client.post(f"{path}/sgd-step", json=STEP, headers=twice).status_code == 400
    assert client.get(path).json()["version"] == 0


def test_one_version_has_one_winner(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    together = threading.Barrier(8)

    def step(_n: int) -> int:
        together.wait()
        return client.post(f"{path}/sgd-step", json=STEP, headers={"if-match": '"0"'}).status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(step, range(8))) == [200] + [412] * 7
    assert client.get(path).json()["version"] == 1


def test_one_key_from_many_threads_is_applied_once(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    together = threading.Barrier(8)

    def step(_n: int) -> httpx.Response:
        together.wait()
        return client.post(f"{path}/sgd-step", json=STEP, headers={"idempotency-key": "raced"})

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(step, range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 409)
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert client.get(path).json()["version"] == 1


def test_a_key_is_busy_while_its_first_request_runs(client: httpx.Client, create: Callable[..., str]) -> None:
    # Eight million parameters: the step and the sync of 96 MB (adam remembers two vectors) take a while.
    path = create(inputs=2000, layers=[{"units": 2000, "activation": "tanh"}] * 2, dtype="float32")
    body = {"inputs": [[0.5] * 2000], "targets": [[0.0] * 2000], "optimizer": {"kind": "adam"}}

    def step() -> httpx.Response:
        return client.post(f"{path}/sgd-step", json=body, headers={"idempotency-key": "slow"})

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(step)
        early = []
        while not first.done():
            time.sleep(0.01)
            early.append(step())
    busy = [answer for answer in early if answer.status_code == 409]
    assert busy
    assert busy[0].json()["type"] == "/problems/still-running"
    assert int(busy[0].headers["retry-after"]) >= 1
    assert {answer.content for answer in (first.result(), step())} == {first.result().content}
    assert client.get(path).json()["version"] == 1


def test_without_if_match_where_it_is_required(launch: Callable[..., Running]) -> None:
    strict = launch("--require-if-match")
    with strict.client() as client:
        made = client.post("/v1/networks", json={"inputs": 2, "layers": [{"units": 1, "activation": "tanh"}]})
        assert made.status_code == 201
        path = made.headers["location"]
        for method, place, body in (
            ("POST", "/sgd-step", STEP),
            ("PUT", "/parameters", client.get(f"{path}/parameters").json()),
            ("PATCH", "", {"name": "x"}),
            ("DELETE", "", None),
        ):
            refused = client.request(method, path + place, json=body)
            assert (refused.status_code, refused.json()["type"]) == (428, "/problems/precondition-required")
        assert client.post(f"{path}/sgd-step", json=STEP, headers={"if-match": '"0"'}).status_code == 200
        assert client.post(f"{path}/feedforward", json={"inputs": [[0, 1]]}).status_code == 200
