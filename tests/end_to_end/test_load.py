"""A server under more load than it can serve: who waits, who is refused, what a client that hangs up leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load, save

from tests.end_to_end.running import Running, require_ready
from tests.end_to_end.test_lifecycle import SLOW, STEP
from tests.end_to_end.working import LASTING_BATCH, LONG_STEP

TENSORS = {"content-type": "application/vnd.safetensors"}


def metric(client: httpx.Client, name: str) -> float:
    text = client.get("/metrics").text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def send(running: Running, path: str, body: dict[str, Any]) -> socket.socket:
    """A request on a connection of its own, sent whole; nobody has read the answer."""
    host, port = running.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
    )
    connection.sendall(head.encode() + b"\r\n" + content)
    return connection


def test_a_client_that_hangs_up_takes_its_queued_work_along(launch: Callable[..., Running]) -> None:
    running = launch("--queue-seconds", "1000", "--queue-lasting-seconds", "1000")
    client = running.client()
    path = client.post("/v1/networks", json=SLOW).headers["location"]
    begun = metric(client, 'gradwire_compute_seconds_count{where="thread"}')
    connections = [send(running, f"{path}/backprop", LASTING_BATCH) for _ in range(8)]
    until(lambda: metric(client, "gradwire_requests_running") == 9)
    time.sleep(0.3)  # for the bodies
    for connection in connections:
        connection.close()
    until(lambda: metric(client, "gradwire_queue_depth") == 0)
    until(lambda: metric(client, "gradwire_compute_running") == 0)
    until(lambda: metric(client, "gradwire_requests_running") == 1)
    ran = metric(client, 'gradwire_compute_seconds_count{where="thread"}') - begun
    assert ran <= (os.cpu_count() or 1) + 2
    text = client.get("/metrics").text
    route = 'method="POST",route="/v1/networks/{network}/backprop",status="499"'
    assert re.search(rf"^gradwire_requests_total{{{re.escape(route)}}} 8.0$", text, re.MULTILINE)
    assert "Traceback" not in running.log.read_text()
    assert client.post(f"{path}/backprop", json={"inputs": [[0.5]], "targets": [[0.0]]}).status_code == 200


def test_a_step_whose_client_hung_up_happened_wholly_or_not(launch: Callable[..., Running]) -> None:
    running = launch("--queue-seconds", "1000", "--queue-lasting-seconds", "1000")
    client = running.client()
    path = client.post("/v1/networks", json=SLOW).headers["location"]
    connections = [send(running, f"{path}/sgd-step", LONG_STEP) for _ in range(4)]
    until(lambda: metric(client, "gradwire_compute_running") == 1)
    for connection in connections:
        connection.close()
    until(lambda: metric(client, "gradwire_compute_running") == 0)
    version = client.get(path).json()["version"]
    assert version <= 1
    answer = client.post(f"{path}/sgd-step", json={**STEP, "inputs": [[0.5]], "targets": [[0.0]]})
    assert answer.json()["version"] == version + 1


def test_a_stale_condition_is_refused_while_others_wait(launch: Callable[..., Running]) -> None:
    running = launch()
    client = running.client()
    path = client.post("/v1/networks", json=SLOW).headers["location"]
    small = {**STEP, "inputs": [[0.5]], "targets": [[0.0]]}
    assert client.post(f"{path}/sgd-step", json=small).json()["version"] == 1
    with send(running, f"{path}/sgd-step", LONG_STEP):
        until(lambda: metric(client, "gradwire_compute_running") == 1)
        refused = client.post(f"{path}/sgd-step", json=small, headers={"if-match": '"0"'})
        assert (refused.status_code, refused.headers["etag"]) == (412, '"1"')
        assert metric(client, "gradwire_compute_running") == 1, "the step was over too soon to tell"


def test_the_bytes_of_all_requests_together_are_bounded(launch: Callable[..., Running]) -> None:
    running = launch("--working-bytes", str(40 * 2**20), "--max-body-bytes", str(64 * 2**20))
    client = running.client()
    path = client.post("/v1/networks", json=SLOW | {"layers": SLOW["layers"][-1:]}).headers["location"]
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as first:
        size = 30 * 2**20
        head = f"POST {path}/feedforward HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        first.sendall(f"{head}content-length: {size}\r\n\r\n".encode() + b" " * (size - 1))
        until(lambda: metric(client, "gradwire_working_bytes") >= size - 2**20)
        refused = client.post(f"{path}/feedforward", content=b" " * size, headers={"content-type": "application/json"})
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.post(f"{path}/feedforward", json={"inputs": [[0.5]]}).status_code == 200
    until(lambda: metric(client, "gradwire_working_bytes") == 0)
    # Whoever is alone may have more than that.
    rows = np.zeros((2000, 1), np.float32)
    assert client.post(f"{path}/feedforward", content=save({"inputs": rows}), headers=TENSORS).status_code == 200


def test_answers_that_nobody_takes_count_too(launch: Callable[..., Running]) -> None:
    running = launch("--working-bytes", str(40 * 2**20))
    client = running.client()
    spec = {"inputs": 1, "layers": [{"units": 1000, "activation": "tanh"}, {"units": 1, "activation": "tanh"}]}
    path = client.post("/v1/networks", json=spec).headers["location"]
    large = {"inputs": [[0.5]] * 1000, "include": ["layers"]}
    with send(running, f"{path}/feedforward", large):
        until(lambda: metric(client, "gradwire_working_bytes") > 15 * 2**20)
        until(lambda: metric(client, "gradwire_compute_running") == 0)
        with send(running, f"{path}/feedforward", large):
            refused = client.post(f"{path}/feedforward", json=large)
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/overloaded")
            assert client.post(f"{path}/feedforward", json={"inputs": [[0.5]]}).status_code == 200
    until(lambda: metric(client, "gradwire_working_bytes") == 0)
    assert client.post(f"{path}/feedforward", json=large).status_code == 200
    assert metric(client, "gradwire_working_bytes") == 0


class Flood:
    """Requests at a steady rate, each on a connection of its own, whatever becomes of the ones before.

    It runs on the processors of the server that it overloads, so that it is as light as it can be.
    """

    def __init__(self, url: str, path: str, body: bytes) -> None:
        self._host, self._port = url.removeprefix("http://").split(":")
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {TENSORS['content-type']}\r\n"
        self._request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        self.admitted: list[float] = []
        self.refused: list[bytes] = []

    async def ask(self) -> None:
        begun = time.perf_counter()
        reader, writer = await asyncio.open_connection(self._host, int(self._port))
        writer.write(self._request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        if answer.startswith(b"HTTP/1.1 200 "):
            self.admitted.append(time.perf_counter() - begun)
        else:
            self.refused.append(answer)

    async def in_turn(self, clients: int, each: int) -> float:
        """So many clients, each of which waits for its answer; how many a second were answered."""

        async def client() -> None:
            for _ in range(each):
                await self.ask()

        begun = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        return clients * each / (time.perf_counter() - begun)

    async def at(self, rate: float, seconds: float) -> None:
        begun, number, tasks = time.perf_counter(), 0, []
        while time.perf_counter() - begun < seconds:
            tasks.append(asyncio.create_task(self.ask()))
            number += 1
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        await asyncio.gather(*tasks)


@pytest.mark.slow
def test_ten_times_the_capacity(launch: Callable[..., Running]) -> None:
    """Who is admitted waits little; the others are told at once when to come back; memory stays where it was."""
    running = launch()
    client = running.client()
    path = client.post("/v1/networks", json=SLOW).headers["location"] + "/feedforward"
    body = save({"inputs": np.zeros((500, 1), np.float32)})
    threads = os.cpu_count() or 1
    calm = Flood(running.url, path, body)
    asyncio.run(calm.in_turn(threads, 3))
    calm.admitted.clear()
    capacity = asyncio.run(calm.in_turn(threads, 25))
    assert not calm.refused

    # A first wave brings the process to the size that so many connections need.
    asyncio.run(Flood(running.url, path, body).at(10 * capacity, 2))
    before = metric(client, "process_resident_memory_bytes")
    # Without a bound, whoever came last would have a thousand before it, every time; a machine that stands still for a
    # moment does so once. `./dev bench load` says how many times as long it is.
    most = 15 * float(np.percentile(calm.admitted, 99))
    for _ in range(3):
        flood = Flood(running.url, path, body)
        asyncio.run(flood.at(10 * capacity, 10))
        loaded = float(np.percentile(flood.admitted, 99))
        if loaded < most:
            break
    after = metric(client, "process_resident_memory_bytes")

    assert loaded < most, (capacity, len(flood.admitted), len(flood.refused))
    assert len(flood.admitted) > capacity, "overloaded, but still at work"
    assert len(flood.refused) > 0.2 * len(flood.admitted)
    for answer in flood.refused:
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"/problems/overloaded"' in answer
        found = re.search(rb"\r\nretry-after: (\d+)\r\n", answer)
        assert found
        assert 1 <= int(found[1]) <= 60
    assert after - before < 64 * 2**20
    require_ready(client)
    assert metric(client, "gradwire_queue_depth") == 0
    assert metric(client, "gradwire_queue_refused_total") > 0


@pytest.mark.slow
def test_the_event_loop_goes_on_while_large_products_are_computed(launch: Callable[..., Running]) -> None:
    """A product that kept the interpreter's lock to its end would hold up whoever only asks whether the server is alive."""
    running = launch()
    client = running.client()
    path = client.post("/v1/networks", json=SLOW).headers["location"] + "/feedforward"
    body = save({"inputs": np.zeros((1000, 1), np.float32)})
    done = threading.Event()

    def compute() -> None:
        with httpx.Client(base_url=running.url, timeout=60, trust_env=False) as other:
            while not done.is_set():
                assert other.post(path, content=body, headers=TENSORS).status_code == 200

    computing = threading.Thread(target=compute)
    computing.start()
    took = []
    try:
        until(lambda: metric(client, "gradwire_compute_running") == 1)
        for _ in range(300):
            begun = time.perf_counter()
            client.get("/healthz")
            took.append(time.perf_counter() - begun)
            time.sleep(0.01)
    finally:
        done.set()
        computing.join()
    assert np.median(took) < 0.05


def longest_wait(running: Running, path: str) -> tuple[list[float], bytes]:
    """The longest wait for /healthz while an answer is made, as a share of the time that it takes, three times; the answer."""
    shares = []
    with running.client() as client:
        for _ in range(3):
            answers: list[tuple[float, bytes]] = []

            def download(answers: list[tuple[float, bytes]] = answers) -> None:
                with httpx.Client(base_url=running.url, timeout=60, trust_env=False) as other:
                    begun = time.perf_counter()
                    with other.stream("GET", path) as answer:
                        answers.append((time.perf_counter() - begun, answer.read()))

            downloading = threading.Thread(target=download)
            downloading.start()
            worst = 0.0
            while not answers:
                begun = time.perf_counter()
                client.get("/healthz")
                worst = max(worst, time.perf_counter() - begun)
            downloading.join()
            ((until_it_came, text),) = answers
            shares.append(worst / until_it_came)
    return shares, text


@pytest.mark.slow
def test_the_event_loop_goes_on_while_large_parameters_become_json(launch: Callable[..., Running]) -> None:
    """Written there, they would hold everybody up for most of the time that they take."""
    running = launch()
    client = running.client()
    spec = {"inputs": 2000, "layers": [{"units": 3000, "activation": "tanh"}], "seed": 1}
    path = client.post("/v1/networks", json=spec).headers["location"] + "/parameters"
    shares, text = longest_wait(running, path)
    assert min(shares) < 0.5, shares
    # The way back in, which is as long, to the same numbers.
    before = client.get(path, headers={"accept": TENSORS["content-type"]}).content
    answer = client.put(path, content=text, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (200, {"version": 1})
    after = client.get(path, headers={"accept": TENSORS["content-type"]}).content
    assert load(after)["2.weights"].tobytes() == load(before)["2.weights"].tobytes()
    spoilt = text[: text.rindex(b",") + 1] + b"1e39]}]}"
    refused = client.put(path, content=spoilt, headers={"content-type": "application/json"})
    assert refused.json()["errors"][0]["pointer"] == "/layers/0/biases/2999"


@pytest.mark.slow
def test_the_event_loop_goes_on_while_long_networks_are_listed(launch: Callable[..., Running]) -> None:
    running = launch()
    client = running.client()
    spec = {"inputs": 1, "layers": [{"units": 1, "activation": "tanh"}] * 1000, "initializer": "zeros"}
    for _ in range(200):
        assert client.post("/v1/networks", json=spec).status_code == 201
    shares, text = longest_wait(running, "/v1/networks?limit=500")
    assert len(json.loads(text)["networks"]) == 200
    assert min(shares) < 0.5, shares
