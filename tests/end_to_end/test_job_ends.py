"""How jobs end before their time: cancelled, killed with the process, left by one that ends in an orderly way."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.end_to_end.running import Running
from tests.end_to_end.working import (
    BATCH,
    LASTING_BATCH,
    LONG_BATCH,
    LONG_STEP,
    SLOW,
    SLOW_BATCH,
    SLOW_STEP,
    STEP,
    ask,
    begins,
    busy,
    end,
    events,
    make,
)

# Following.


def test_events_are_told_as_they_happen_and_can_be_resumed(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1", "--heartbeat-seconds", "0.1").client()
    with busy(client):
        job = ask(client, f"{make(client)}/feedforward", BATCH)
        with client.stream("GET", f"{job}/events") as response:
            first = next(events(response))
            assert (first.id, first.data["status"]) == (1, "queued")
    with client.stream("GET", f"{job}/events", headers={"last-event-id": "1"}) as response:
        told = list(events(response))  # ends, because the server closes it
    assert [(event.id, event.data["status"]) for event in told] == [(2, "running"), (3, "succeeded")]
    assert told[-1].data == client.get(job).json()


def test_a_heartbeat_while_nothing_happens(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1", "--heartbeat-seconds", "0.05").client()
    with busy(client) as job, client.stream("GET", f"{job}/events") as response:
        lines = list(itertools.takewhile(lambda line: not line.startswith(":"), response.iter_lines()))
    assert lines[0] == "retry: 1000"
    assert "event: status" in lines


def test_whoever_goes_on_following_hears_at_once_that_it_is_connected(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1", "--heartbeat-seconds", "3600").client()
    with busy(client) as job, client.stream("GET", f"{job}/events", headers={"last-event-id": "2"}, timeout=30) as told:
        assert told.status_code == 200
        assert next(told.iter_lines()) == "retry: 1000"


@pytest.mark.slow
def test_many_follow_one_job(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1").client()
    with busy(client):
        job = ask(client, f"{make(client)}/feedforward", BATCH)
        streams = [client.build_request("GET", f"{job}/events") for _ in range(5)]
        responses = [client.send(request, stream=True) for request in streams]
    tales = [[event.data["status"] for event in events(response)] for response in responses]
    assert tales == [["queued", "running", "succeeded"]] * 5


# Cancelling.


def test_a_queued_job_that_is_cancelled_never_begins(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1").client()
    with busy(client):
        path = make(client)
        job = ask(client, f"{path}/sgd-step", STEP)
        cancelled = client.delete(job)
        assert (cancelled.status_code, cancelled.content) == (204, b"")
        found = client.get(job).json()
        assert (found["status"], found["started_at"], found["error"]) == ("cancelled", None, None)
        assert found["finished_at"] is not None
        gone = client.get(f"{job}/result")
        assert (gone.status_code, gone.json()["type"]) == (410, "/problems/gone")
        assert [event.data["status"] for event in events(client.get(f"{job}/events"))] == ["queued", "cancelled"]
    assert end(client, ask(client, f"{path}/sgd-step", STEP))["status"] == "succeeded"
    assert client.get(path).json()["version"] == 1
    assert client.delete(job).status_code == 204


@pytest.mark.parametrize(("call", "body"), [("backprop", LONG_BATCH), ("sgd-step", LONG_STEP)])
def test_a_running_job_that_is_cancelled_changes_nothing(
    launch: Callable[..., Running], call: str, body: dict[str, object]
) -> None:
    client = launch("--job-workers", "1").client()
    path = make(client, SLOW)
    job = begins(client, ask(client, f"{path}/{call}", body))
    begun = time.monotonic()
    assert client.delete(job).status_code == 204
    assert time.monotonic() - begun < 5  # the job takes longer
    found = client.get(job).json()
    assert found["status"] == "cancelled"
    assert found["started_at"] is not None
    assert client.get(path).json()["version"] == 0
    # Its worker and its network are free again.
    assert (
        end(client, ask(client, f"{path}/sgd-step", {**LONG_STEP, "inputs": [[0.5]], "targets": [[0.0]]}))["status"]
        == "succeeded"
    )
    assert client.get(path).json()["version"] == 1


@pytest.mark.parametrize("left", ["cancelled", "hung up"])
def test_work_that_nobody_waits_for_ends(launch: Callable[..., Running], left: str) -> None:
    client = launch("--job-workers", "1").client()
    path = make(client, SLOW)

    def computes() -> bool:
        return "gradwire_compute_running 1.0" in client.get("/metrics").text

    if left == "cancelled":
        job = ask(client, f"{path}/backprop", LONG_BATCH)
        while not computes():
            time.sleep(0.01)
        assert client.delete(job).status_code == 204
    else:
        with pytest.raises(httpx.TimeoutException):
            client.post(f"{path}/backprop", json=LONG_BATCH, timeout=1.5)
    left_at = time.monotonic()
    while computes():
        assert time.monotonic() - left_at < 5, "it goes on"
        time.sleep(0.02)


def test_a_job_that_has_finished_stays_as_it_is(client: httpx.Client, create: Callable[..., str]) -> None:
    job = ask(client, f"{create()}/feedforward", BATCH)
    before = end(client, job)
    assert client.delete(job).status_code == 204
    assert client.get(job).json() == before
    assert client.get(f"{job}/result").status_code == 200


def test_cancelling_while_steps_are_written_leaves_whole_versions(
    client: httpx.Client, create: Callable[..., str]
) -> None:
    path = create()
    jobs = [ask(client, f"{path}/sgd-step", STEP) for _ in range(30)]
    for job in jobs[::2]:
        assert client.delete(job).status_code == 204
    states = [end(client, job)["status"] for job in jobs]
    assert set(states[1::2]) == {"succeeded"}
    assert set(states[::2]) <= {"succeeded", "cancelled"}
    versions = [client.get(f"{job}/result").json().get("version") for job in jobs]
    written = [version for version in versions if version is not None]
    assert written == list(range(1, states.count("succeeded") + 1))
    assert client.get(path).json()["version"] == len(written)


@pytest.mark.slow
def test_a_network_that_is_deleted_while_its_jobs_wait(launch: Callable[..., Running]) -> None:
    client = launch("--job-workers", "1").client()
    with busy(client):
        path = make(client)
        job = ask(client, f"{path}/feedforward", BATCH)
        assert client.delete(path).status_code == 204
    assert end(client, job)["error"]["type"] == "/problems/not-found"
    assert client.get(f"{job}/result").status_code == 404


# Kill -9 and orderly ends.


def test_jobs_survive_a_kill_and_are_applied_once(launch: Callable[..., Running]) -> None:
    running = launch("--job-workers", "1")
    client = running.client()
    path, other = make(client), make(client, SLOW)
    first = ask(client, f"{path}/feedforward", BATCH)
    kept = (end(client, first), client.get(f"{first}/result").content)
    slow = begins(client, ask(client, f"{make(client, SLOW)}/backprop", SLOW_BATCH))
    step = ask(client, f"{other}/sgd-step", SLOW_STEP, if_match='"0"')
    queued = [ask(client, f"{path}/sgd-step", STEP, idempotency_key=f"k{n}") for n in range(3)]
    seen = client.get(queued[2]).json()
    running.kill()
    running.start()
    client = running.client()
    assert (client.get(first).json(), client.get(f"{first}/result").content) == kept
    assert [end(client, job)["status"] for job in [slow, step, *queued]] == ["succeeded"] * 5
    assert [client.get(f"{job}/result").json()["version"] for job in queued] == [1, 2, 3]
    assert client.get(path).json()["version"] == 3
    assert client.get(other).json()["version"] == 1
    assert end(client, queued[2])["created_at"] == seen["created_at"]
    # A retry after the crash finds the job of its key.
    assert ask(client, f"{path}/sgd-step", STEP, idempotency_key="k1") == queued[1]
    assert client.get(path).json()["version"] == 3


def test_a_stream_goes_on_in_the_next_process(launch: Callable[..., Running]) -> None:
    running = launch("--job-workers", "1")
    client = running.client()
    path = make(client, SLOW)
    with busy(client):
        job = ask(client, f"{path}/backprop", LASTING_BATCH)
        stream = client.send(client.build_request("GET", f"{job}/events"), stream=True)

    def follow_and_kill() -> None:
        for event in events(stream):
            if event.data["status"] == "running":
                running.kill()

    with pytest.raises(httpx.TransportError):
        follow_and_kill()
    running.start()
    client = running.client()
    with client.stream("GET", f"{job}/events", headers={"last-event-id": "2"}) as response:
        told = list(events(response))
    assert [(event.id, event.data["status"]) for event in told] == [(3, "queued"), (4, "running"), (5, "succeeded")]
    assert [event.id for event in events(client.get(f"{job}/events"))] == [1, 2, 3, 4, 5]


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 0.01, 0.03, 0.06])
def test_a_kill_at_any_moment_of_many_steps(launch: Callable[..., Running], wait: float) -> None:
    running = launch("--job-workers", "2")
    client = running.client()
    paths = [make(client) for _ in range(2)]
    jobs = [ask(client, f"{paths[n % 2]}/sgd-step", STEP) for n in range(30)]
    time.sleep(wait)
    running.kill()
    running.start()
    client = running.client()
    for path, mine in ((paths[0], jobs[::2]), (paths[1], jobs[1::2])):
        assert {end(client, job)["status"] for job in mine} == {"succeeded"}
        assert [client.get(f"{job}/result").json()["version"] for job in mine] == list(range(1, 16))
        assert client.get(path).json()["version"] == 15
        made_by = [version["made_by"] for version in client.get(f"{path}/versions").json()["versions"]]
        assert made_by == ["sgd-step"] * 15 + ["create"]


@pytest.mark.slow
def test_a_job_during_which_the_process_dies_again_and_again_is_given_up(launch: Callable[..., Running]) -> None:
    running = launch("--job-workers", "1")
    client = running.client()
    path = make(client, SLOW)
    job = ask(client, f"{path}/sgd-step", LONG_STEP)
    for _ in range(3):
        while running.client().get(job).json()["status"] != "running":
            time.sleep(0.005)
        running.kill()
        running.start()
    client = running.client()
    assert end(client, job)["error"]["type"] == "/problems/interrupted"
    assert client.get(f"{job}/result").status_code == 500
    assert client.get(path).json()["version"] == 0


@pytest.mark.slow
def test_a_signal_lets_jobs_that_run_finish_and_leaves_the_rest_for_later(launch: Callable[..., Running]) -> None:
    running = launch("--job-workers", "1")
    client = running.client()
    path = make(client)
    with busy(client):
        slow = ask(client, f"{make(client, SLOW)}/backprop", LASTING_BATCH)
        waiting = ask(client, f"{path}/sgd-step", STEP)
        stream = client.send(client.build_request("GET", f"{waiting}/events"), stream=True)
    begins(client, slow)
    running.terminate()
    assert [event.data["status"] for event in events(stream)] == ["queued"]  # it ends, without a final status
    assert running.wait() == 0
    assert "Traceback" not in running.log.read_text()
    running.start()
    client = running.client()
    found = client.get(slow).json()
    assert found["status"] == "succeeded"
    assert [event.data["status"] for event in events(client.get(f"{slow}/events"))] == [
        "queued",
        "running",
        "succeeded",
    ]
    assert end(client, waiting)["status"] == "succeeded"
    assert client.get(path).json()["version"] == 1


@pytest.mark.slow
def test_what_does_not_finish_in_time_is_run_again_and_not_held_against_it(launch: Callable[..., Running]) -> None:
    running = launch("--job-workers", "1", "--shutdown-seconds", "0.05")
    client = running.client()
    path = make(client, SLOW)
    job = ask(client, f"{path}/sgd-step", SLOW_STEP)
    for _ in range(4):
        while (status := running.client().get(job).json()["status"]) == "queued":
            time.sleep(0.005)
        if status == "succeeded":
            break
        running.terminate()
        assert running.wait() == 0
        running.start()
    client = running.client()
    assert end(client, job)["status"] == "succeeded"
    assert client.get(path).json()["version"] == 1


def test_a_wait_ends_with_the_process(launch: Callable[..., Running]) -> None:
    running = launch("--job-workers", "1", "--shutdown-seconds", "0.5")
    client, watcher = running.client(), running.client()
    path = make(client, SLOW)
    _, waiting = (ask(client, f"{path}/backprop", LONG_BATCH) for _ in range(2))
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.get, waiting, params={"wait": 60})
        # The question is a running request itself.
        while "gradwire_requests_running 2.0" not in watcher.get("/metrics").text:
            assert not answer.done(), answer.result().text
            time.sleep(0.005)
        begun = time.monotonic()
        running.terminate()
        assert answer.result(20).json()["status"] == "queued"
        assert time.monotonic() - begun < 5
    assert running.wait() == 0
