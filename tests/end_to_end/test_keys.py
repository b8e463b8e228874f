"""API keys on a real server: who is let in, what each sees, what its limits are, and the command that makes them."""

from __future__ import annotations

import json
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import XOR
from tests.end_to_end.running import GRADWIRE, Running, environment
from tests.end_to_end.test_load import until

STEP = {"inputs": [[0, 1]], "targets": [[1]], "optimizer": {"kind": "sgd", "learning_rate": 0.5}}


def gradwire(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GRADWIRE, *arguments], capture_output=True, text=True, env=environment(), timeout=60, check=False
    )


def make_key(data: Path, *flags: str) -> tuple[str, str]:
    """A new key's id and secret."""
    made = gradwire("keys", "create", "--data", str(data), *flags)
    assert made.returncode == 0, made.stderr
    return made.stderr.split()[1], made.stdout.strip()


def looked(client: httpx.Client, data: Path) -> None:
    """The server has looked at the keys again: it lets in one that is made after all others."""
    _, secret = make_key(data, "--owner", "last")
    until(lambda: client.get("/v1/info", headers=bearer(secret)).status_code == 200)


def shut(client: httpx.Client, headers: dict[str, str]) -> httpx.Response:
    """The refusal, once the server knows that whoever comes with these headers is let in no more."""
    until(lambda: client.get("/v1/info", headers=headers).status_code == 401)
    return client.get("/v1/networks", headers=headers)


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def check(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    problem = response.json()
    assert problem["type"] == f"/problems/{slug}"
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


class Two:
    """A server with two keys of two owners."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.client = running.client()
        (_, one), (_, two) = make_key(running.data), make_key(running.data)
        self.one, self.two = bearer(one), bearer(two)
        self.look()

    def look(self) -> None:
        looked(self.client, self.running.data)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    running = Running(tmp_path_factory.mktemp("two"))
    yield Two(running)
    running.stop()


# Who is let in.


def test_the_first_key_closes_a_server_that_runs(launch: Callable[..., Running]) -> None:
    running = launch()
    client = running.client()
    assert client.get("/v1/networks", headers=bearer("anything")).status_code == 200
    identity, secret = make_key(running.data, "--name", "first one")
    refused = shut(client, {})
    check(refused, 401, "unauthorized")
    assert refused.headers["www-authenticate"] == 'Bearer realm="gradwire"'
    assert client.get("/v1/networks", headers=bearer(secret)).status_code == 200

    assert gradwire("keys", "revoke", identity, "--data", str(running.data)).returncode == 0
    refused = shut(client, bearer(secret))
    check(refused, 401, "unauthorized")
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    # With its last key gone a service does not open again.
    check(client.get("/v1/networks"), 401, "unauthorized")
    running.terminate()
    assert running.wait() == 0
    running.start()
    check(running.client().get("/v1/networks"), 401, "unauthorized")


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer")],
        [("authorization", "Bearer not-a-key")],
        [("authorization", "Basic dXNlcjpwYXNz")],
        [("authorization", "Bearer a b")],
        [("authorization", "")],
        [("authorization", "Bearer \xff")],
        [("x-api-key", "none")],
    ],
)
def test_what_is_no_key_is_refused(two: Two, headers: list[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    check(two.client.get("/v1/networks", headers=raw), 401, "unauthorized")


def test_two_keys_at_once_are_none(two: Two) -> None:
    headers = [("authorization", two.one["authorization"]), ("authorization", two.two["authorization"])]
    check(two.client.get("/v1/networks", headers=headers), 401, "unauthorized")
    lower = {"authorization": two.one["authorization"].replace("Bearer", "bearer")}
    assert two.client.get("/v1/networks", headers=lower).status_code == 200


def test_what_is_open_and_what_is_not(two: Two) -> None:
    for path in ("/healthz", "/readyz", "/docs", "/docs/start.js", "/openapi.json", "/problems/unauthorized"):
        assert two.client.get(path).status_code == 200, path
    for path in ("/metrics", "/v1/info", "/v1/networks/net_none", "/nowhere", "//healthz", "/healthz/"):
        check(two.client.get(path), 401, "unauthorized")
    assert two.client.get("/metrics", headers=two.one).status_code == 200
    # Not even how large a body may be is told to whoever has no key.
    check(two.client.post("/v1/networks", content=b"{", headers={"content-type": "text/plain"}), 401, "unauthorized")


def test_pages_by_setting(launch: Callable[..., Running]) -> None:
    running = launch("--docs", "off", "--metrics", "open")
    _, secret = make_key(running.data)
    client = running.client()
    looked(client, running.data)
    assert client.get("/metrics").status_code == 200
    for path in ("/docs", "/docs/start.js", "/openapi.json"):
        check(client.get(path, headers=bearer(secret)), 404, "not-found")


def test_another_address_demands_keys(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    refused = gradwire("serve", "--host", "0.0.0.0", "--port", "0", "--data", data)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "gradwire keys create" in refused.stderr
    assert "--allow-anonymous" in refused.stderr
    make_key(Path(data))
    running = Running(tmp_path, "--host", "0.0.0.0")
    running.url = running.url.replace("0.0.0.0", "127.0.0.1")
    try:
        check(running.client().get("/v1/networks"), 401, "unauthorized")
    finally:
        running.stop()


def test_a_key_and_others_without_one(launch: Callable[..., Running]) -> None:
    running = launch("--allow-anonymous")
    _, secret = make_key(running.data)
    client = running.client()
    looked(client, running.data)
    anybodys = client.post("/v1/networks", json=XOR).headers["location"]
    mine = client.post("/v1/networks", json=XOR, headers=bearer(secret)).headers["location"]
    assert client.get(anybodys).status_code == 200
    check(client.get(mine), 404, "not-found")
    check(client.get(anybodys, headers=bearer(secret)), 404, "not-found")
    check(client.get(anybodys, headers=bearer("wrong")), 401, "unauthorized")


def test_a_file_that_cannot_be_read_lets_nobody_in(launch: Callable[..., Running]) -> None:
    running = launch()
    _, secret = make_key(running.data)
    (running.data / "keys.json").write_text('{"form": 1, "keys": [{}]}')
    client = running.client()
    until(lambda: client.get("/v1/info").status_code == 401 and "nobody is let in" in running.log.read_text())
    for headers in ({}, bearer(secret)):
        check(client.get("/v1/networks", headers=headers), 401, "unauthorized")
    assert client.get("/healthz").status_code == 200
    refused = gradwire("serve", "--port", "0", "--data", str(running.data))
    assert refused.returncode == 1
    assert "keys.json" in refused.stderr


# What each sees.


def test_owners_see_only_their_own(two: Two) -> None:
    client = two.client
    made = client.post("/v1/networks", json={**XOR, "name": "hidden"}, headers=two.one)
    path = made.headers["location"]
    identity = made.json()["id"]
    for step in range(1, 3):
        assert client.post(f"{path}/sgd-step", json=STEP, headers=two.one).json()["version"] == step
    parameters = client.get(f"{path}/parameters", headers=two.one).json()
    assert client.post(f"{path}/checkpoints", json={"name": "kept"}, headers=two.one).status_code == 201
    absent = client.get("/v1/networks/net_aaaa", headers=two.two)

    calls: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("PATCH", path, {"name": "taken"}),
        ("DELETE", path, None),
        ("GET", f"{path}/parameters", None),
        ("GET", f"{path}/parameters?version=1", None),
        ("PUT", f"{path}/parameters", parameters),
        ("GET", f"{path}/versions", None),
        ("POST", f"{path}/feedforward", {"inputs": [[0, 1]]}),
        ("POST", f"{path}/backprop", {"inputs": [[0, 1]], "targets": [[1]]}),
        ("POST", f"{path}/sgd-step", STEP),
        ("GET", f"{path}/checkpoints", None),
        ("POST", f"{path}/checkpoints", {"name": "c"}),
        ("GET", f"{path}/checkpoints/kept", None),
        ("DELETE", f"{path}/checkpoints/kept", None),
        ("POST", f"{path}/restore", {"checkpoint": "kept"}),
        ("POST", "/v1/networks", {"from": {"network": identity}}),
        ("POST", "/v1/networks", {"from": {"network": identity, "version": 1}}),
    ]
    for method, url, body in calls:
        for extra in ({}, {"if-match": '"0"'}, {"idempotency-key": "k"}):
            if method == "GET" and extra:
                continue
            refused = client.request(method, url, json=body, headers={**two.two, **extra})
            problem = check(refused, 404, "not-found")
            assert "etag" not in refused.headers
            assert problem["detail"].replace(identity, "net_aaaa") == absent.json()["detail"], (method, url)
            later = {**two.two, **extra, "prefer": "respond-async"}
            assert client.request(method, url, json=body, headers=later).status_code == 404, (method, url)
    seen = client.get(path, headers=two.one).json()
    assert (seen["name"], seen["version"]) == ("hidden", 2)

    other = client.post("/v1/networks", json=XOR, headers=two.two).json()["id"]
    for headers, mine, not_mine in ((two.one, identity, other), (two.two, other, identity)):
        ids = [network["id"] for network in client.get("/v1/networks?limit=500", headers=headers).json()["networks"]]
        assert mine in ids
        assert not_mine not in ids


def test_every_path_with_a_network_is_covered_above(two: Two) -> None:
    """A new call on a network must be added to the list of those that another owner cannot make."""
    document = two.client.get("/openapi.json").json()
    source = Path(__file__).read_text(encoding="utf-8")
    computing = {"/feedforward", "/backprop", "/sgd-step"}
    for path in document["paths"]:
        if path.startswith("/v1/networks/{network}/"):
            first = "/" + path.removeprefix("/v1/networks/{network}/").split("/")[0]
            assert first in computing or f"{{path}}{first}" in source, path


def test_jobs_are_their_owners_too(two: Two) -> None:
    client, waits = two.client, {"prefer": "respond-async"}
    path = client.post("/v1/networks", json=XOR, headers=two.one).headers["location"]
    queued = client.post(f"{path}/sgd-step", json=STEP, headers={**two.one, **waits, "idempotency-key": "job"})
    assert queued.status_code == 202
    job = queued.headers["location"]
    for method, url in (("GET", job), ("GET", f"{job}/result"), ("GET", f"{job}/events"), ("DELETE", job)):
        check(client.request(method, url, headers=two.two), 404, "not-found")
    assert client.get(f"{job}?wait=20", headers=two.one).json()["status"] == "succeeded"
    assert client.get(f"{job}/result", headers=two.one).json()["version"] == 1
    assert [one["id"] for one in client.get("/v1/jobs", headers=two.one).json()["jobs"]] == [job.rsplit("/", 1)[1]]
    assert client.get("/v1/jobs", headers=two.two).json()["jobs"] == []
    check(client.get(job), 401, "unauthorized")


def test_keys_of_one_owner_share_and_outlive_each_other(two: Two) -> None:
    first, old = make_key(two.running.data, "--owner", "team-7")
    _, new = make_key(two.running.data, "--owner", "team-7")
    two.look()
    path = two.client.post("/v1/networks", json=XOR, headers=bearer(old)).headers["location"]
    gradwire("keys", "revoke", first, "--data", str(two.running.data))
    check(shut(two.client, bearer(old)), 401, "unauthorized")
    assert two.client.get(path, headers=bearer(new)).status_code == 200


def test_idempotency_keys_are_each_owners_own(two: Two) -> None:
    key = {"idempotency-key": "the-same"}
    one = two.client.post("/v1/networks", json=XOR, headers={**two.one, **key})
    other = two.client.post("/v1/networks", json={**XOR, "seed": 9}, headers={**two.two, **key})
    assert (one.status_code, other.status_code) == (201, 201)
    again = two.client.post("/v1/networks", json=XOR, headers={**two.one, **key})
    assert again.json() == one.json() != other.json()
    check(
        two.client.post("/v1/networks", json={**XOR, "seed": 9}, headers={**two.one, **key}),
        422,
        "idempotency-mismatch",
    )


def test_owners_survive_a_restart(launch: Callable[..., Running]) -> None:
    running = launch()
    _, one = make_key(running.data)
    _, two = make_key(running.data)
    looked(running.client(), running.data)
    path = running.client().post("/v1/networks", json=XOR, headers=bearer(one)).headers["location"]
    running.kill()
    running.start()
    client = running.client()
    assert client.get(path, headers=bearer(one)).status_code == 200
    check(client.get(path, headers=bearer(two)), 404, "not-found")
    check(client.post(f"{path}/sgd-step", json=STEP, headers=bearer(two)), 404, "not-found")


# Limits.


def test_requests_per_second(two: Two) -> None:
    _, secret = make_key(two.running.data, "--requests-per-second", "2")
    two.look()
    answers = [two.client.get("/v1/networks", headers=bearer(secret)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    later = (two.client.get("/v1/networks", headers=bearer(secret)) for _ in range(1000))
    refused = next(answer for answer in later if answer.status_code != 200)
    check(refused, 429, "rate-limited")
    assert int(refused.headers["retry-after"]) == 1
    time.sleep(int(refused.headers["retry-after"]))
    assert two.client.get("/v1/networks", headers=bearer(secret)).status_code == 200
    # Only this key's requests count against it.
    assert two.client.get("/v1/networks", headers=two.one).status_code == 200


def test_a_slow_allowance_names_the_seconds(two: Two) -> None:
    _, secret = make_key(two.running.data, "--requests-per-second", "0.1")
    two.look()
    assert two.client.get("/v1/networks", headers=bearer(secret)).status_code == 200
    refused = two.client.get("/v1/networks", headers=bearer(secret))
    check(refused, 429, "rate-limited")
    assert 5 <= int(refused.headers["retry-after"]) <= 10


def test_networks_of_a_key(two: Two) -> None:
    _, secret = make_key(two.running.data, "--max-networks", "3")
    two.look()
    headers = bearer(secret)

    def make(number: int) -> httpx.Response:
        return two.client.post("/v1/networks", json=XOR, headers={**headers, "idempotency-key": f"n{number}"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(make, range(8)))
    made = [answer for answer in answers if answer.status_code == 201]
    assert len(made) == 3
    for answer in answers:
        if answer not in made:
            assert check(answer, 413, "too-large")["figures"]["limit"] == 3
    path = made[0].headers["location"]
    fork = {"from": {"network": made[0].json()["id"]}}
    check(two.client.post("/v1/networks", json=fork, headers=headers), 413, "too-large")
    # A retry is no further network.
    number = answers.index(made[0])
    assert make(number).json() == made[0].json()
    assert two.client.delete(path, headers=headers).status_code == 204
    assert make(100).status_code == 201
    assert make(101).status_code == 413


def test_parameters_of_a_network_of_a_key(two: Two) -> None:
    _, secret = make_key(two.running.data, "--max-parameters", "13")
    two.look()
    large = {**XOR, "layers": [{"units": 4, "activation": "tanh"}, {"units": 1, "activation": "sigmoid"}]}
    assert two.client.post("/v1/networks", json=XOR, headers=bearer(secret)).status_code == 201
    refused = check(two.client.post("/v1/networks", json=large, headers=bearer(secret)), 413, "too-large")
    assert refused["figures"] == {"asked": 17, "limit": 13}
    assert two.client.get("/v1/info", headers=bearer(secret)).json()["limits"]["max_parameters"] == 13
    assert two.client.post("/v1/networks", json=large, headers=two.one).status_code == 201


# The command.


def test_a_secret_is_shown_once_and_kept_nowhere(tmp_path: Path) -> None:
    data = tmp_path / "made" / "data"
    identity, secret = make_key(data, "--name", "laptop", "--requests-per-second", "5", "--max-networks", "2")
    assert len(secret) == len("gradwire_") + 43
    kept = data / "keys.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for file in data.rglob("*"):
        assert secret not in file.read_text()
        assert secret.removeprefix("gradwire_") not in file.read_text()
    shown = gradwire("keys", "list", "--data", str(data)).stdout
    assert identity in shown
    assert "laptop" in shown
    assert "requests_per_second=5 max_networks=2" in shown
    assert json.loads(kept.read_text())["keys"][0]["digest"] not in shown
    assert make_key(data)[1] != secret
    assert gradwire("keys", "revoke", identity, "--data", str(data)).returncode == 0
    line = next(line for line in gradwire("keys", "list", "--data", str(data)).stdout.splitlines() if identity in line)
    assert line.count("T") >= 2  # two times: made and revoked


def test_keys_that_are_made_at_once_are_all_there(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: make_key(tmp_path), range(6)))
    listed = gradwire("keys", "list", "--data", str(tmp_path)).stdout
    assert all(identity in listed for identity, _ in made)


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "--requests-per-second", "0"],
        ["create", "--requests-per-second", "nan"],
        ["create", "--max-networks", "-1"],
        ["create", "--owner", "a b"],
        ["create", "--name", "a\nb"],
        ["revoke"],
        ["nothing"],
        [],
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str]) -> None:
    assert gradwire("keys", *arguments, "--data", str(tmp_path)).returncode == 2
    assert not list(tmp_path.iterdir())


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    make_key(tmp_path)
    refused = gradwire("keys", "revoke", "key_none", "--data", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr == "gradwire: there is no key key_none\n"
