"""Clients of all kinds at once, and many that leave: afterwards nothing of it is left in the server but what it kept."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable
from time import monotonic
from typing import Any

import httpx
import pytest

from tests.end_to_end.running import GRADWIRE, Running, environment
from tests.end_to_end.storming import FINAL, Client, Told
from tests.end_to_end.test_load import metric, until

SECONDS = 8.0
CLIENTS = 24
NARROW = (
    *("--queue-length", "6"),
    *("--job-workers", "2"),
    *("--job-queue", "16"),
    *("--working-bytes", str(48 * 2**20)),
    *("--max-live-bytes", str(2**21)),
    *("--keep-jobs", "400"),
    *("--job-result-bytes", str(2**21)),
    *("--heartbeat-seconds", "0.2"),
)
"""Little room of everything, so that all that can be refused, dropped or forgotten is."""
IDLE = ("working_bytes", "compute_running", "queue_depth", "queue_backlog_seconds", "jobs_queued", "jobs_running")


async def storm(url: str, told: Told, seed: int, seconds: float) -> None:
    end = monotonic() + seconds
    async with asyncio.timeout(seconds + 60):
        await asyncio.gather(*(Client(url, told, 1000 * seed + number).run(end) for number in range(CLIENTS)))


def jobs_of(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = client.get("/v1/jobs", params={"limit": 100, **after}).json()
        found += page["jobs"]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


def left(running: Running, told: Told) -> None:
    """Nothing is left of what clients did but what was kept, and that is sound."""
    client = running.client()
    assert client.get("/healthz").status_code == 200
    until(lambda: all(metric(client, f"gradwire_{name}") == 0 for name in IDLE))
    until(lambda: metric(client, "gradwire_requests_running") == 1)
    until(lambda: {job["status"] for job in jobs_of(client)} <= FINAL)
    for network, versions in told.versions.items():
        assert len(versions) == len(set(versions)), network
    assert all(len(bodies) <= 1 for bodies in told.keys.values()), "a key that was applied twice"
    for network in told.networks:
        assert client.get(f"{network}/parameters").status_code == 200
    running.terminate()
    ends(running)
    checked = subprocess.run(
        [GRADWIRE, "doctor", "--data", running.data], capture_output=True, text=True, env=environment(), check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def ends(running: Running) -> None:
    """In order and soon, once it has been told to."""
    begun = time.perf_counter()
    assert running.wait() == 0
    assert time.perf_counter() - begun < 30  # a job would be let go on for twice as long
    log = running.log.read_text()
    assert "Traceback" not in log, log


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_a_storm_leaves_nothing_behind(launch: Callable[..., Running], seed: int) -> None:
    running, told = launch(*NARROW), Told()
    asyncio.run(storm(running.url, told, seed, SECONDS))
    assert told.wrong == []
    assert told.statuses[200] > 50, told.statuses
    left(running, told)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_a_storm_in_which_the_server_is_ended_again_and_again(launch: Callable[..., Running], seed: int) -> None:
    running, told = launch(*NARROW), Told()
    for life in range(3):
        ending = threading.Timer(SECONDS / 4, running.terminate)
        ending.start()
        asyncio.run(storm(running.url, told, seed * 100 + life, SECONDS))
        ending.join()
        ends(running)
        running.start()
    assert not [wrong for wrong in told.wrong if " 500 " in wrong]
    left(running, told)
