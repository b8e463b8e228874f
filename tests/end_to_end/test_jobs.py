"""Jobs over HTTP: calls that outlive their request, what becomes of them, and all the ways to ask."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.end_to_end import tensors
from tests.end_to_end.running import Running
from tests.end_to_end.working import ASYNC, BATCH, STEP, ask, busy, end, events, make

JSON = "application/json"
CALLS = [
    ("feedforward", {**BATCH, "include": ["layers"]}),
    ("backprop", {**BATCH, "targets": [[1.0], [0.0]], "include": ["layers", "per_example", "input_gradient"]}),
    ("sgd-step", STEP),
]
FIELDS = ["id", "kind", "network", "status", "progress", "created_at", "started_at", "finished_at", "error"]


@pytest.mark.parametrize("accept", [JSON, tensors.MEDIA])
@pytest.mark.parametrize("media", [JSON, tensors.MEDIA])
@pytest.mark.parametrize(("kind", "body"), CALLS)
def test_a_job_comes_to_what_the_call_would_have(
    client: httpx.Client, create: Callable[..., str], kind: str, body: dict[str, Any], media: str, accept: str
) -> None:
    one, other = create(), create()
    content = json.dumps(body).encode() if media == JSON else tensors.encode(body)
    headers = {"content-type": media, "accept": accept}
    at_once = client.post(f"{one}/{kind}", content=content, headers=headers)
    taken = client.post(f"{other}/{kind}", content=content, headers={**headers, **ASYNC})
    assert (taken.status_code, taken.headers["content-type"]) == (202, accept)
    assert taken.headers["preference-applied"] == "respond-async"
    assert int(taken.headers["retry-after"]) >= 1
    job = taken.json() if accept == JSON else tensors.decode(taken.content)[1]
    assert list(job) == FIELDS
    assert (job["kind"], job["network"]) == (kind, other.rpartition("/")[2])
    place = taken.headers["location"]
    assert place == f"/v1/jobs/{job['id']}"
    ended = end(client, place)
    assert (ended["status"], ended["error"], ended["progress"]) == ("succeeded", None, None)
    assert ended["created_at"] <= ended["started_at"] <= ended["finished_at"]
    result = client.get(f"{place}/result")
    assert (result.status_code, result.content) == (at_once.status_code, at_once.content)
    assert [result.headers.get(name) for name in ("content-type", "etag")] == [
        at_once.headers.get(name) for name in ("content-type", "etag")
    ]
    opposite = next(kind for kind in (JSON, tensors.MEDIA) if kind != accept)
    same = client.get(f"{place}/result", headers={"accept": opposite})
    direct = client.post(f"{create()}/{kind}", content=content, headers={**headers, "accept": opposite})
    assert (same.headers["content-type"], same.content) == (opposite, direct.content)


def test_an_answer_that_comes_in_time_is_the_answer(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    answer = client.post(f"{path}/sgd-step", json=STEP, headers={"prefer": "respond-async, wait=30"})
    assert (answer.status_code, answer.headers["etag"], answer.json()["version"]) == (200, '"1"', 1)
    assert answer.headers["preference-applied"] == "wait=30"
    assert client.get(answer.headers["content-location"]).content == answer.content
    late = client.post(f"{path}/feedforward", json=BATCH, headers={"prefer": 'wait="0"; x=y, Respond-Async'})
    assert (late.status_code, late.headers["preference-applied"]) == (202, "respond-async")


def test_an_answer_that_does_not_come_in_time_is_a_job(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1").client()
    path = make(client)
    with busy(client):
        begun = time.monotonic()
        taken = client.post(f"{path}/feedforward", json=BATCH, headers={"prefer": "respond-async, wait=1"})
        took = time.monotonic() - begun
    assert taken.status_code == 202
    assert took >= 1
    assert taken.headers["preference-applied"] == "respond-async, wait=1"
    assert end(client, taken.headers["location"])["status"] == "succeeded"


@pytest.mark.parametrize(
    "prefer", ["wait=10", "return=minimal", "", ", ,", 'foo="respond-async"', "handling=lenient;x"]
)
def test_other_preferences_are_none(client: httpx.Client, create: Callable[..., str], prefer: str) -> None:
    answer = client.post(f"{create()}/feedforward", json=BATCH, headers={"prefer": prefer})
    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize(
    "prefer", ["respond-async, wait", "respond-async, wait=x", "respond-async, wait=-1", "respond async", "a=b=c", '"']
)
def test_a_preference_that_cannot_be_read(client: httpx.Client, create: Callable[..., str], prefer: str) -> None:
    refused = client.post(f"{create()}/feedforward", json=BATCH, headers={"prefer": prefer})
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/malformed-body")


@pytest.mark.parametrize(
    ("kind", "change", "status"),
    [
        ("feedforward", {"inputs": [[1.0, "x"]]}, 422),
        ("feedforward", {"inputs": [[1.0, 2.0, 3.0]]}, 422),
        ("feedforward", {"more": 1}, 422),
        ("backprop", {"targets": [[1.0]]}, 422),
        ("backprop", {"targets": [0, 1]}, 422),
        ("sgd-step", {"optimizer": {"kind": "adam", "betas": [2.0, 0.9]}}, 422),
        ("sgd-step", {"optimizer": {"kind": "none"}}, 422),
        ("sgd-step", {"inputs": [[0.0]]}, 422),
    ],
)
def test_bad_input_is_refused_at_once(
    client: httpx.Client, create: Callable[..., str], kind: str, change: dict[str, Any], status: int
) -> None:
    path = create()
    body = {**dict(CALLS)[kind], **change}
    at_once = client.post(f"{path}/{kind}", json=body)
    refused = client.post(f"{path}/{kind}", json=body, headers=ASYNC)
    told = [{**answer.json(), "request_id": ""} for answer in (at_once, refused)]
    assert (refused.status_code, told[0]) == (status, told[1])
    assert client.get("/v1/jobs", params={"network": path.rpartition("/")[2]}).json()["jobs"] == []


def test_what_else_is_refused_at_once(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    stale = client.post(f"{path}/sgd-step", json=STEP, headers={**ASYNC, "if-match": '"7"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"0"')
    assert client.post(f"{path}/feedforward", content=b"{", headers={**ASYNC, "content-type": JSON}).status_code == 400
    assert client.post(f"{path}/feedforward", json=BATCH, headers={**ASYNC, "accept": "text/html"}).status_code == 406
    assert client.post(f"{path}/feedforward", content=b"{}", headers=ASYNC).status_code == 415
    assert client.post("/v1/networks/net_none/feedforward", json=BATCH, headers=ASYNC).status_code == 404
    assert client.post(f"{path}/sgd-step", json=STEP, headers={**ASYNC, "idempotency-key": "a b"}).status_code == 400
    assert client.get("/v1/jobs", params={"network": path.rpartition("/")[2]}).json()["jobs"] == []


def test_limits_and_required_conditions_hold_for_jobs(launch: Callable[..., Running]) -> None:
    client = launch("--max-batch-rows", "1", "--require-if-match").client()
    path = make(client)
    large = client.post(f"{path}/feedforward", json=BATCH, headers=ASYNC)
    assert (large.status_code, large.json()["figures"]) == (413, {"asked": 2, "limit": 1})
    step = {"inputs": [[0.0, 1.0]], "targets": [[1.0]], "optimizer": {"kind": "sgd"}}
    assert client.post(f"{path}/sgd-step", json=step, headers=ASYNC).status_code == 428
    job = ask(client, f"{path}/sgd-step", step, if_match='"0"')
    assert end(client, job)["status"] == "succeeded"
    assert client.get(f"{job}/result").headers["etag"] == '"1"'


def test_a_job_that_fails_has_its_problem_for_a_result(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create(layers=[{"units": 1, "activation": "identity"}], dtype="float32")
    body = {"inputs": [[1e38, 1e38]], "targets": [[-3e38]]}
    at_once = client.post(f"{path}/backprop", json=body)
    assert (at_once.status_code, at_once.json()["type"]) == (422, "/problems/non-finite")
    job = ask(client, f"{path}/backprop", body)
    ended = end(client, job)
    result = client.get(f"{job}/result")
    assert (ended["status"], result.status_code, result.headers["content-type"]) == (
        "failed",
        422,
        "application/problem+json",
    )
    assert ended["error"] == result.json()
    expected = at_once.json()
    assert {key: expected[key] for key in expected if key != "request_id"} == result.json()
    waited = client.post(f"{path}/backprop", json=body, headers={"prefer": "respond-async, wait=20"})
    assert (waited.status_code, waited.json()) == (422, result.json())


def test_a_condition_that_becomes_stale_while_it_waits(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1").client()
    path = make(client)
    with busy(client):
        job = ask(client, f"{path}/sgd-step", STEP, if_match='"0"')
        assert client.post(f"{path}/sgd-step", json=STEP).headers["etag"] == '"1"'
    assert end(client, job)["error"]["type"] == "/problems/stale-precondition"
    result = client.get(f"{job}/result")
    assert (result.status_code, result.headers["etag"]) == (412, '"1"')
    assert client.get(path).json()["version"] == 1


def test_there_is_no_result_before_the_end(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1").client()
    path = make(client)
    with busy(client) as running:
        waiting = ask(client, f"{path}/feedforward", BATCH)
        for job, status in ((running, "running"), (waiting, "queued")):
            early = client.get(f"{job}/result")
            assert (early.status_code, early.json()["type"]) == (409, "/problems/job-running")
            assert status in early.json()["detail"]
            assert int(early.headers["retry-after"]) >= 1
    assert end(client, waiting)["status"] == "succeeded"
    assert client.get(f"{waiting}/result").status_code == 200


def test_a_long_poll_answers_when_the_job_has_finished_or_its_time_is_over(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1", "--wait-seconds", "2").client()
    path = make(client)

    def poll(job: str, **query: object) -> tuple[str, float]:
        begun = time.monotonic()
        status = client.get(job, params=query).json()["status"]
        return status, time.monotonic() - begun

    with busy(client) as running:
        for query in ({}, {"wait": 0}):
            polls = [poll(running, **query) for _ in range(3)]
            assert {status for status, _ in polls} == {"running"}
            assert min(took for _, took in polls) < 2
        status, took = poll(running, wait=1000)
        assert status == "running"
        assert took >= 2
        waiting = ask(client, f"{path}/feedforward", BATCH)
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(poll, waiting, wait=1000)
            time.sleep(0.2)
            assert not answer.done()
            assert client.delete(running).status_code == 204
            status, took = answer.result()
        assert status == "succeeded" or took >= 2
    for query in ({"wait": 20}, {}):
        status, took = poll(waiting, **query)
        assert status == "succeeded"
    for wrong in ("-1", "x", "1.5", ""):
        assert client.get(waiting, params={"wait": wrong}).status_code == 422


def test_what_is_not_there(client: httpx.Client) -> None:
    for job in ("job_none", "x", "JOB", "job_" + "a" * 80):
        for place in ("", "/result", "/events"):
            assert client.get(f"/v1/jobs/{job}{place}").json()["type"] == "/problems/not-found"
        assert client.delete(f"/v1/jobs/{job}").status_code == 404
    assert client.put("/v1/jobs/job_none").status_code == 405
    assert client.get("/v1/jobs", params={"status": "done"}).json()["errors"][0]["pointer"] == "/status"
    assert client.get("/v1/jobs", params={"after": "x"}).json()["errors"][0]["pointer"] == "/after"
    assert client.get("/v1/jobs", params={"state": "queued"}).status_code == 422


def test_a_page_of_jobs(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    network = path.rpartition("/")[2]
    jobs = [ask(client, f"{path}/feedforward", BATCH) for _ in range(5)]
    for job in jobs:
        end(client, job)
    seen, after = [], None
    while True:
        query = {"network": network, "limit": 2, "status": "succeeded", **({"after": after} if after else {})}
        page = client.get("/v1/jobs", params=query).json()
        seen += [f"/v1/jobs/{job['id']}" for job in page["jobs"]]
        after = page["next"]
        if after is None:
            break
    assert seen == jobs[::-1]
    assert client.get("/v1/jobs", params={"network": network, "status": "failed"}).json() == {"jobs": [], "next": None}
    assert client.get("/v1/jobs", params={"network": "net_none"}).json()["jobs"] == []


def test_a_key_gets_the_same_job_again(client: httpx.Client, create: Callable[..., str]) -> None:
    path, key = create(), {"idempotency_key": "job-key"}
    for call, body in (("sgd-step", STEP),):
        first = ask(client, f"{path}/{call}", body, **key, if_match='"0"')
        assert ask(client, f"{path}/{call}", body, **key) == first
        end(client, first)
        assert ask(client, f"{path}/{call}", body, **key, if_match='"9"') == first
    assert client.get(path).json()["version"] == 1
    other = client.post(
        f"{path}/sgd-step", json={**STEP, "targets": [[0], [0]]}, headers={**ASYNC, "idempotency-key": "job-key"}
    )
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
    # The key is the write's too: without a job, the request gets the answer that its job had.
    again = client.post(f"{path}/sgd-step", json=STEP, headers={"idempotency-key": "job-key"})
    assert again.content == client.get(f"{first}/result").content
    assert client.get(path).json()["version"] == 1


def test_a_key_of_a_write_that_was_answered_at_once(client: httpx.Client, create: Callable[..., str]) -> None:
    path, key = create(), {"idempotency-key": "at-once"}
    first = client.post(f"{path}/sgd-step", json=STEP, headers={**key, "if-match": '"0"'})
    job = ask(client, f"{path}/sgd-step", STEP, idempotency_key="at-once", if_match='"0"')
    assert end(client, job)["status"] == "succeeded"
    assert client.get(f"{job}/result").content == first.content
    other = client.post(f"{path}/sgd-step", json={**STEP, "targets": [[0], [0]]}, headers={**ASYNC, **key})
    assert other.status_code == 422
    assert client.get(path).json()["version"] == 1


def test_a_key_makes_one_job_of_many_requests(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    together = threading.Barrier(8)

    def one(_n: int) -> str:
        together.wait()
        return ask(client, f"{path}/feedforward", BATCH, idempotency_key="raced")

    with ThreadPoolExecutor(8) as threads:
        places = set(threads.map(one, range(8)))
    assert len(places) == 1
    assert len(client.get("/v1/jobs", params={"network": path.rpartition("/")[2]}).json()["jobs"]) == 1


def test_writes_of_jobs_come_in_order(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    jobs = [ask(client, f"{path}/sgd-step", STEP) for _ in range(20)]
    for number, job in enumerate(jobs, 1):
        assert end(client, job)["status"] == "succeeded"
        assert client.get(f"{job}/result").json()["version"] == number
    assert client.get(path).json()["version"] == 20


def test_networks_take_turns(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1").client()
    many, few = make(client), make(client)
    with busy(client):
        jobs = [ask(client, f"{path}/feedforward", BATCH) for path in (many,) * 6 + (few,)]
    started = [end(client, job)["started_at"] for job in jobs]
    assert started[:6] == sorted(started[:6])
    assert sorted(started).index(started[6]) <= 1


def test_a_full_queue_says_when_to_come_again(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1", "--job-queue", "6").client()
    path, other = make(client), make(client)
    with busy(client):
        jobs = [ask(client, f"{path}/feedforward", BATCH) for _ in range(3)]
        half = client.post(f"{path}/feedforward", json=BATCH, headers=ASYNC)
        assert (half.status_code, half.json()["type"]) == (503, "/problems/overloaded")
        assert "half of all places" in half.json()["detail"]
        jobs += [ask(client, f"{other}/feedforward", BATCH) for _ in range(2)]
        full = client.post(f"{other}/feedforward", json=BATCH, headers=ASYNC)
        assert full.status_code == 503
        assert 1 <= int(full.headers["retry-after"]) <= 60
    assert {end(client, job)["status"] for job in jobs} == {"succeeded"}
    assert client.post(f"{path}/feedforward", json=BATCH, headers=ASYNC).status_code == 202


def test_results_are_kept_for_a_time(launch: Callable[..., Running]) -> None:
    running = launch("--job-result-seconds", "5")
    client = running.client()
    path = make(client)
    job = ask(client, f"{path}/feedforward", BATCH)
    end(client, job)
    assert client.get(f"{job}/result").status_code == 200
    time.sleep(5.1)
    gone = client.get(f"{job}/result")
    assert (gone.status_code, gone.json()["type"]) == (410, "/problems/gone")
    assert client.get(job).json()["status"] == "succeeded"


def test_results_are_bounded_in_bytes(launch: Callable[..., Running]) -> None:
    client = launch("--job-result-bytes", "1000").client()
    path = make(client)
    jobs = []
    for _ in range(4):  # one after the other: it is the oldest results that are given up
        jobs.append(ask(client, f"{path}/feedforward", {"inputs": [[0.0, 1.0]] * 100}))
        end(client, jobs[-1])
    assert [client.get(f"{job}/result").status_code for job in jobs] == [410, 410, 410, 200]


def test_a_large_request_and_a_large_result(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create(inputs=1000, layers=[{"units": 600, "activation": "tanh"}], dtype="float32")
    body = tensors.encode({"inputs": [[0.25] * 1000] * 3000}, "float32")
    assert len(body) > 2**23
    headers = {"content-type": tensors.MEDIA}
    at_once = client.post(f"{path}/feedforward", content=body, headers=headers)
    job = client.post(f"{path}/feedforward", content=body, headers={**headers, **ASYNC}).headers["location"]
    assert end(client, job)["status"] == "succeeded"
    assert client.get(f"{job}/result").content == at_once.content


def test_the_service_answers_while_a_job_computes(client: httpx.Client) -> None:
    worst = 0.0
    with busy(client) as job:
        until = time.monotonic() + 1
        while client.get(job).json()["finished_at"] is None and (begun := time.monotonic()) < until:
            assert client.get("/healthz").status_code == 200
            worst = max(worst, time.monotonic() - begun)
    assert 0.0 < worst < 5.0  # the job takes twice as long


def test_events_of_a_job_that_has_finished(client: httpx.Client, create: Callable[..., str]) -> None:
    job = ask(client, f"{create()}/feedforward", BATCH)
    ended = end(client, job)
    told = list(events(client.get(f"{job}/events")))
    assert [(event.id, event.name, event.data["status"]) for event in told] == [
        (1, "status", "queued"),
        (2, "status", "running"),
        (3, "status", "succeeded"),
    ]
    assert told[-1].data == ended
    rest = list(events(client.get(f"{job}/events", headers={"last-event-id": "2"})))
    assert rest == told[2:]
    done = client.get(f"{job}/events", headers={"last-event-id": "3"})
    assert (done.status_code, done.content) == (204, b"")
    assert list(events(client.get(f"{job}/events", headers={"last-event-id": ""}))) == told
    for wrong in ("x", "-1", "1" * 20):
        assert client.get(f"{job}/events", headers={"last-event-id": wrong}).status_code == 400
    assert client.get(f"{job}/events", headers={"accept": JSON}).status_code == 406
    head = client.head(f"{job}/events", headers={"accept": "text/event-stream"})
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
