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
from safetensors.numpy import save

from tests.end_to_end.running import Running
from tests.end_to_end.test_lifecycle import SLOW, STEP

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
    batch = {"inputs": STEP["inputs"], "targets": STEP["targets"]}
    connections = [send(running, f"{path}/backprop", batch) for _ in range(12)]
    until(lambda: metric(client, "gradwire_requests_running") == 13)
    time.sleep(0.3)  # for the bodies
    for connection in connections:
        connection.close()
    until(lambda: metric(client, "gradwire_queue_depth") == 0, 5)
    until(lambda: metric(client, "gradwire_compute_running") == 0)
    until(lambda: metric(client, "gradwire_requests_running") == 1)
    ran = metric(client, 'gradwire_compute_seconds_count{where="thread"}') - begun
    assert ran <= (os.cpu_count() or 1) + 2
    text = client.get("/metrics").text
    route = 'method="POST",route="/v1/networks/{network}/backprop",status="499"'
    assert re.search(rf"^gradwire_requests_total{{{re.escape(route)}}} 12.0$", text, re.MULTILINE)
    assert "Traceback" not in running.log.read_text()
    assert client.post(f"{path}/backprop", json={"inputs": [[0.5]], "targets": [[0.0]]}).status_code == 200


def test_a_step_whose_client_hung_up_happened_wholly_or_not(launch: Callable[..., Running]) -> None:
    running = launch("--queue-seconds", "1000", "--queue-lasting-seconds", "1000")
    client = running.client()
    path = client.post("/v1/networks", json=SLOW).headers["location"]
    connections = [send(running, f"{path}/sgd-step", STEP) for _ in range(4)]
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
    slow = threading.Thread(target=lambda: running.client().post(f"{path}/sgd-step", json=STEP))
    slow.start()
    until(lambda: metric(client, "gradwire_compute_running") == 1)
    begun = time.perf_counter()
    refused = client.post(f"{path}/sgd-step", json=small, headers={"if-match": '"0"'})
    took = time.perf_counter() - begun
    still = metric(client, "gradwire_compute_running")
    slow.join()
    assert (refused.status_code, refused.headers["etag"]) == (412, '"1"')
    assert still == 1, f"the step was over too soon to tell; the refusal took {took:.3f} s"


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
    flood = Flood(running.url, path, body)
    asyncio.run(flood.at(10 * capacity, 10))
    after = metric(client, "process_resident_memory_bytes")

    assert len(flood.refused) > 3 * len(flood.admitted)
    assert len(flood.admitted) > 0.25 * 10 * capacity, "overloaded, but still at work"
    for answer in flood.refused:
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"/problems/overloaded"' in answer
        found = re.search(rb"\r\nretry-after: (\d+)\r\n", answer)
        assert found
        assert 1 <= int(found[1]) <= 5
    unloaded, loaded = (float(np.percentile(one.admitted, 99)) for one in (calm, flood))
    # Three times, and half as much again for a flood that is sent from the server's own processors.
    assert loaded < 3 * unloaded * 1.5, (capacity, unloaded, loaded, len(flood.admitted), len(flood.refused))
    assert after - before < 64 * 2**20
    assert client.get("/readyz").status_code == 200
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
    assert np.median(took) < 0.02
