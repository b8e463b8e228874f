"""The corpus of bad requests over the wire: each is answered with its problem, and the server is as it was before."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from service.problems import PROBLEMS
from tests.fuzz.bad_requests import BadRequest, load, send
from tests.fuzz.watched import Watched
from tests.service.codecs import bad_inputs

CASES = load()
SPEC = {"inputs": 2, "layers": [{"units": 1, "activation": "sigmoid"}], "seed": 0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    server = Watched(tmp_path_factory.mktemp("bad-requests"))
    try:
        yield server
        server.require_whole()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def places(server: Watched) -> Iterator[dict[str, str]]:
    client = server.client()
    path = client.post("/v1/networks", json=SPEC).raise_for_status().headers["location"]
    client.post(f"{path}/checkpoints", json={"name": "start"}).raise_for_status()
    asked = client.post(f"{path}/feedforward", json={"inputs": [[0, 1]]}, headers={"prefer": "respond-async"})
    job = asked.raise_for_status().headers["location"]
    assert client.get(f"{job}?wait=20").json()["status"] == "succeeded"
    before = [client.get(path + part).content for part in ("", "/parameters", "/versions", "/checkpoints")]
    yield {"network": path.rpartition("/")[2], "job": job.rpartition("/")[2], "checkpoint": "start"}
    assert [client.get(path + part).content for part in ("", "/parameters", "/versions", "/checkpoints")] == before
    assert len(client.get("/v1/networks").json()["networks"]) == 1 + len(server.witnesses) + len(server.jobs)
    assert len(client.get("/v1/jobs").json()["jobs"]) == 1 + len(server.jobs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_answered_with_its_problem(server: Watched, places: dict[str, str], case: BadRequest) -> None:
    answer = send(server.url, case, places)
    assert answer.headers["content-type"] == "application/problem+json", answer
    problem = json.loads(answer.body)
    assert (problem["type"], answer.status) == (f"/problems/{case.problem}", PROBLEMS[case.problem].status), problem
    assert problem["status"] == answer.status < 500
    if case.pointer is not None:
        assert problem["errors"][0]["pointer"] == case.pointer
    assert len(answer.body) < 8000


def test_the_two_corpora_are_large_and_name_their_cases() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert len(names) + len(bad_inputs.load()) >= 450
    assert len({case.problem for case in CASES}) >= 9
