"""Networks whose steps are logged, on a real server that is killed in the middle of steps and after every kind of write."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from tests.end_to_end import tensors
from tests.end_to_end.replaying import KINDS, REPLAY, ROWS, SMALL, SPECS, create, parameters, recorded, step, take
from tests.end_to_end.running import Running
from tests.end_to_end.test_checkpoints import problem
from tests.end_to_end.test_upkeep import gradwire


@dataclass
class Stepper(threading.Thread):
    """A client that steps one network until its server dies, and remembers what it was told."""

    url: str
    path: str
    bodies: list[bytes]
    answered: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
            for number, body in enumerate(self.bodies):
                try:
                    answer = take(client, self.path, body, **{"idempotency-key": f"k{number}"})
                except httpx.TransportError:
                    return
                self.answered.append(answer.content)

    __hash__ = threading.Thread.__hash__


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps"), [("SMALL", 40), ("LARGE", 12), ("WIDE", 5)])
def test_kill_9_in_the_middle_of_steps(launch: Callable[..., Running], name: str, steps: int) -> None:
    running, spec = launch("--replay-steps", "7"), SPECS[name]
    bodies = [
        [step(spec, ROWS[name], 100 * at + number, kind) for number in range(2 * steps)]
        for at, kind in enumerate(KINDS)
    ]
    with running.client() as client:
        paths = [create(client, spec, **REPLAY) for _ in KINDS]
        whole = [create(client, spec) for _ in KINDS]
    clients = [Stepper(running.url, path, mine) for path, mine in zip(paths, bodies, strict=True)]
    for one in clients:
        one.start()
    while min(len(one.answered) for one in clients) < steps:
        clients[0].join(0.001)
    running.kill()
    for one in clients:
        one.join()
    assert recorded(running.data) > 0
    running.start()
    with running.client() as client:
        for path, full, mine, one in zip(paths, whole, bodies, clients, strict=True):
            served = client.get(path).json()["version"]
            assert len(one.answered) <= served <= len(one.answered) + 1
            again = take(client, path, mine[len(one.answered) - 1], **{"idempotency-key": f"k{len(one.answered) - 1}"})
            assert again.content == one.answered[-1], "a late retry has its first answer"
            # A network that is kept whole and was not killed is the judge.
            for number in range(served):
                answer = take(client, full, mine[number])
                assert number >= len(one.answered) or answer.content == one.answered[number]
                if number >= served - 2:  # the current and the previous version are always kept
                    assert parameters(client, path, number + 1) == parameters(client, full), (name, number + 1)
            assert parameters(client, path) == parameters(client, full)
            for number in range(served, len(mine)):
                assert take(client, path, mine[number]).content == take(client, full, mine[number]).content
            assert parameters(client, path) == parameters(client, full)
            described = [client.get(f"{one}/versions?limit=500").json()["versions"] for one in (path, full)]
            said = [
                [(entry["version"], entry["made_by"], entry.get("cost")) for entry in listed] for listed in described
            ]
            assert said[0] == said[1]
    running.terminate()
    assert running.wait() == 0
    done = gradwire("doctor", "--replay", "--data", running.data)
    assert done.returncode == 0, done.stdout
    assert re.search(r"note: \d+ steps, computed again, gave what was answered", done.stdout)


PUT = {
    "layers": [
        {"layer": 2, "weights": [[0.5, -0.5, 0.25]] * 40, "biases": [0.25] * 40},
        {"layer": 3, "weights": [[0.125] * 40] * 2, "biases": [0.0, 1.0]},
    ]
}
MIXED: tuple[Callable[[httpx.Client, str], httpx.Response], ...] = (
    lambda client, path: take(client, path, step(SMALL, 8, 0, KINDS[0])),
    lambda client, path: take(client, path, step(SMALL, 3, 1, KINDS[0])),
    lambda client, path: client.put(f"{path}/parameters", json=PUT),
    lambda client, path: take(client, path, step(SMALL, 8, 2, KINDS[0])),
    lambda client, path: client.post(f"{path}/checkpoints", json={"name": "four"}),
    lambda client, path: client.patch(path, json={"name": "renamed"}),
    lambda client, path: take(client, path, step(SMALL, 8, 3, KINDS[1])),
    lambda client, path: take(client, path, step(SMALL, 8, 4, KINDS[1]), **{"if-match": '"5"'}),
    lambda client, path: client.post(f"{path}/checkpoints", json={"name": "two", "version": 2}),
    lambda client, path: client.post(f"{path}/restore", json={"checkpoint": "four"}),
    lambda client, path: client.delete(f"{path}/checkpoints/four"),
    lambda client, path: take(client, path, step(SMALL, 8, 5, KINDS[0])),
)


@pytest.mark.slow
def test_writes_of_every_kind_and_a_crash_after_each(launch: Callable[..., Running]) -> None:
    running = launch("--replay-steps", "4", "--keep-versions", "4")
    with running.client() as client:
        logged, whole = (create(client, SMALL, **more) for more in (REPLAY, {}))
    for write in MIXED:
        with running.client() as client:
            statuses = [write(client, path).status_code for path in (logged, whole)]
        assert statuses[0] == statuses[1] < 300
        running.kill()
        running.start()
        with running.client() as client:
            lists = [client.get(f"{path}/versions").json()["versions"] for path in (logged, whole)]
            said = [
                [(entry["version"], entry["made_by"], entry["retained"], entry["checkpoints"]) for entry in listed]
                for listed in lists
            ]
            assert said[0] == said[1]
            for entry in lists[0]:
                if entry["retained"]:
                    found = [parameters(client, path, entry["version"]) for path in (logged, whole)]
                    assert found[0] == found[1], entry
                else:
                    assert problem(client.get(f"{logged}/parameters?version={entry['version']}")) == (410, "gone")
            fork = create(client, {"from": {"network": logged.rsplit("/", 1)[1]}})
            assert client.get(fork).json()["durability"] == "replay"
            assert parameters(client, fork) == parameters(client, whole)


def test_the_mode_is_told_chosen_and_kept(client: httpx.Client) -> None:
    made = client.post("/v1/networks", json={**SMALL, **REPLAY})
    path = made.headers["location"]
    assert (made.json()["durability"], client.get(path).json()["durability"]) == ("replay", "replay")
    assert client.get(create(client, SMALL)).json()["durability"] == "full"
    for wrong in ("none", None, 1):
        answer = client.post("/v1/networks", json={**SMALL, "durability": wrong})
        assert problem(answer) == (422, "invalid-input")
        assert answer.json()["errors"][0]["pointer"] == "/durability"
    body = tensors.encode({**SMALL, **REPLAY})
    in_tensors = client.post("/v1/networks", content=body, headers={"content-type": tensors.MEDIA})
    assert tensors.decode(in_tensors.content)[1]["durability"] == "replay"
    stored = client.get(f"{path}/versions").json()["stored_bytes"]
    take(client, path, step(SMALL, 8, 0, KINDS[0]))
    assert client.get(f"{path}/versions").json()["versions"][0]["stored_bytes"] < stored
    assert {"replay_steps", "replay_bytes", "replay_seconds"} <= client.get("/v1/info").json()["retention"].keys()
