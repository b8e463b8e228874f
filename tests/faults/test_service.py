"""Clients over HTTP while the server is killed, loses its power and finds its disk full; then everything is compared.

Every acknowledged version is there, the parameters equal an independent replay of the acknowledged steps, one key made one
version, and a late retry gets the first answer. `--full`: 200 faults and 20,000 steps.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.faults.clients import Client, together
from tests.faults.disk import disk
from tests.faults.machine import needs_power_loss
from tests.faults.server import Server
from tests.faults.training import SHAPES, Replay, network_of, request, spec

pytestmark = pytest.mark.slow

CLIENTS = 16
LATE = 10_000


@pytest.fixture
def killed(place: Path) -> Iterator[Server]:
    server = Server(place, None)
    yield server
    server.stop()


@pytest.fixture
def mixed(place: Path) -> Iterator[Server]:
    with disk(place, 300) as drive:
        server = Server(place, drive)
        yield server
        server.stop()


def test_kills(killed: Server, full: bool) -> None:
    suffer(killed, ["kill"] * (50 if full else 4), 5000 if full else 240)


@needs_power_loss
def test_kills_losses_of_power_and_full_disks(mixed: Server, full: bool) -> None:
    suffer(mixed, ["kill", "power", "full", "cut"] * (50 if full else 2), 20_000 if full else 500)


def suffer(server: Server, faults: list[str], steps: int) -> None:
    with server.client() as client:
        made = [client.post("/v1/networks", json=spec(number)) for number in range(len(SHAPES))]
        paths = [one.headers["location"] for one in made]
        replays = [Replay(layers(client, path)) for path in paths]
    clients = [Client(server, paths, range(number, steps, CLIENTS), random.Random(number)) for number in range(CLIENTS)]
    threads = together(clients)
    for number, fault in enumerate(faults):
        wait_for(clients, steps * (number + 1) // (len(faults) + 1))
        if any(one.failure for one in clients):
            break
        server.suffer(fault)
    for thread in threads:
        thread.join()
    for one in clients:
        if one.failure is not None:
            raise AssertionError(server.log.read_text()[-3000:]) from one.failure
    server.kill()
    server.start()
    answered = {step: answer for one in clients for step, answer in one.answered.items()}
    keys = {step: key for one in clients for step, key in one.keys.items()}
    assert sorted(answered) == list(range(steps))
    with server.client() as client:
        compare(client, paths, replays, answered)
        retry_late(client, paths, answered, keys)
        compare_counts(client, paths, answered)
    statuses = [status for one in clients for status in one.statuses]
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    jobs = sum(len(one.jobs) for one in clients)
    late = min(LATE, steps)
    print(f"{len(faults)} faults, {steps} steps ({jobs} jobs), {late} late retries, answers {counts}")


def wait_for(clients: list[Client], answers: int) -> None:
    while sum(len(one.answered) for one in clients) < answers:
        if any(one.failure for one in clients):
            return
        time.sleep(0.005)


def layers(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"{path}/parameters").json()["layers"]
    return found


def order_of(network: int, answered: dict[int, httpx.Response]) -> dict[int, int]:
    """Version -> step."""
    mine = [(answer.json()["version"], step) for step, answer in answered.items() if network_of(step) == network]
    order = dict(mine)
    assert len(order) == len(mine), "two steps were given one version"
    return order


def compare(client: httpx.Client, paths: list[str], replays: list[Replay], answered: dict[int, httpx.Response]) -> None:
    for network, (path, replay) in enumerate(zip(paths, replays, strict=True)):
        order = order_of(network, answered)
        assert sorted(order) == list(range(1, len(order) + 1)), (
            "a version that no acknowledged step made, or one is lost"
        )
        for version in sorted(order):
            cost = replay.step(order[version])
            np.testing.assert_allclose(answered[order[version]].json()["cost"], cost, rtol=1e-9)
        found = [np.array(layer[name]) for layer in layers(client, path) for name in ("weights", "biases")]
        for one, other in zip(found, replay.parameters, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


def retry_late(
    client: httpx.Client, paths: list[str], answered: dict[int, httpx.Response], keys: dict[int, str]
) -> None:
    for step, first in random.Random(0).sample(sorted(answered.items()), min(LATE, len(answered))):
        path, headers = paths[network_of(step)], {"idempotency-key": keys[step], "if-match": '"0"'}
        again = client.post(f"{path}/sgd-step", json=request(step), headers=headers)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["etag"] == first.headers["etag"]


def compare_counts(client: httpx.Client, paths: list[str], answered: dict[int, httpx.Response]) -> None:
    for network, path in enumerate(paths):
        assert client.get(path).json()["version"] == len(order_of(network, answered)), "a late retry was applied again"
