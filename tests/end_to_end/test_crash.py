"""Kill -9 in the middle of steps from several clients: what was answered is there, and a retry is not applied again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest

from tests.end_to_end import reference
from tests.end_to_end.running import Running

SPEC = {
    "inputs": 3,
    "layers": [{"units": 4, "activation": "tanh"}, {"units": 2, "activation": "sigmoid"}],
    "cost": "quadratic",
    "initializer": "gaussian",
    "seed": 11,
    "dtype": "float64",
}
RATE = 0.25


def _request(number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    return {
        "inputs": rng.standard_normal((2, 3)).tolist(),
        "targets": rng.uniform(size=(2, 2)).tolist(),
        "optimizer": {"kind": "sgd", "learning_rate": RATE, "momentum": 0.5},
    }


@dataclass
class Client:
    """One thread of steps, each with its key; at most one of them is unanswered when the server dies."""

    url: str
    path: str
    numbers: range
    answered: dict[int, bytes] = field(default_factory=dict)
    unanswered: int | None = None

    def run(self) -> None:
        with httpx.Client(base_url=self.url, trust_env=False, timeout=60) as client:
            for number in self.numbers:
                self.unanswered = number
                try:
                    response = client.post(f"{self.path}/sgd-step", json=_request(number), headers=_key(number))
                except httpx.TransportError:
                    return
                assert response.status_code == 200, response.text
                self.answered[number] = response.content
                self.unanswered = None


def _key(number: int) -> dict[str, str]:
    return {"idempotency-key": f"step-{number}"}


def _replayed(parameters: list[Any], order: list[int]) -> list[Any]:
    """The parameters after those steps, by the plain reference."""
    velocity = None
    for number in order:
        request = _request(number)
        found = reference.backprop(SPEC, parameters, np.array(request["inputs"]), np.array(request["targets"]))
        gradient = found["gradient"]
        pairs = zip(velocity or gradient, gradient, strict=True)
        velocity = gradient if velocity is None else [(0.5 * v + g, 0.5 * c + h) for (v, c), (g, h) in pairs]
        parameters = [(w - RATE * v, b - RATE * c) for (w, b), (v, c) in zip(parameters, velocity, strict=True)]
    return parameters


def _arrays(client: httpx.Client, path: str) -> list[tuple[np.ndarray, np.ndarray]]:
    layers = client.get(f"{path}/parameters").json()["layers"]
    return [(np.array(layer["weights"]), np.array(layer["biases"])) for layer in layers]


@pytest.mark.parametrize("answers", [20, 150])
def test_kill_during_steps(launch: Callable[..., Running], answers: int) -> None:
    running = launch()
    client = running.client()
    path = client.post("/v1/networks", json=SPEC).headers["location"]
    start = _arrays(client, path)
    clients = [Client(running.url, path, range(n, 100_000, 4)) for n in range(4)]
    threads = [threading.Thread(target=one.run) for one in clients]
    for thread in threads:
        thread.start()
    while sum(len(one.answered) for one in clients) < answers:
        time.sleep(0.001)
    running.kill()
    for thread in threads:
        thread.join()
    running.start()

    order = {number: _version(body) for one in clients for number, body in one.answered.items()}
    assert len(order) >= answers
    assert len(set(order.values())) == len(order)
    with running.client() as client:
        served = client.get(path).json()["version"]
        assert served >= max(order.values())
        before = _arrays(client, path)
        # Late retries of what was answered get the first answer, byte for byte, and change nothing.
        for one in clients:
            for number, body in list(one.answered.items())[-3:]:
                again = client.post(f"{path}/sgd-step", json=_request(number), headers=_key(number))
                assert again.content == body
        assert client.get(path).json()["version"] == served
        # A step that was not answered happened or did not; its retry finds out, and either way it happened once.
        for one in clients:
            if one.unanswered is not None:
                late = client.post(f"{path}/sgd-step", json=_request(one.unanswered), headers=_key(one.unanswered))
                order[one.unanswered] = late.json()["version"]
        assert sorted(order.values()) == list(range(1, len(order) + 1))
        assert client.get(path).json()["version"] == len(order)
        steps = sorted(order, key=lambda number: order[number])
        after = _arrays(client, path)
    for found, applied in ((before, steps[:served]), (after, steps)):
        for (w, b), (expected_w, expected_b) in zip(found, _replayed(start, applied), strict=True):
            np.testing.assert_allclose(w, expected_w, rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(b, expected_b, rtol=1e-10, atol=1e-10)


def _version(body: bytes) -> int:
    version: int = httpx.Response(200, content=body).json()["version"]
    return version


def test_a_creation_and_a_name_survive(launch: Callable[..., Running]) -> None:
    running = launch()
    with running.client() as client:
        made = client.post("/v1/networks", json=SPEC, headers={"idempotency-key": "one"})
        path = made.headers["location"]
        renamed = client.patch(path, json={"name": "kept"}).json()
        gone = client.post("/v1/networks", json=SPEC).headers["location"]
        client.delete(gone)
    running.kill()
    running.start()
    with running.client() as client:
        assert client.get(path).json() == renamed
        assert client.get(gone).status_code == 404
        again = client.post("/v1/networks", json=SPEC, headers={"idempotency-key": "one"})
        assert again.content == made.content
        assert len(client.get("/v1/networks").json()["networks"]) == 1
