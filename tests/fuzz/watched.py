"""A server that is fuzzed: with low limits, so that what is drawn is small, and looked at before and after.

Invariant: whatever was sent, it answered nothing with 5xx, logged no traceback, holds about the memory that it held,
can still compute and write, and the networks that nobody wrote to are what they were, to the last byte.
"""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from tests.end_to_end.running import Running, require_ready

LIMITS = {
    "max-body-bytes": 2**20,
    "max-layers": 20,
    "max-units": 2000,
    "max-parameters": 20_000,
    "max-batch-rows": 2000,
    "max-estimated-bytes": 64 * 2**20,
    "max-estimated-operations": 10**10,
    "max-live-bytes": 16 * 2**20,
}
GROWTH = 96 * 2**20
"""Bytes that the server may have more than before: caches that fill and an allocator's slack, no leak of bodies."""

_SPEC = {"inputs": 2, "layers": [{"units": 3, "activation": "tanh"}, {"units": 1, "activation": "sigmoid"}], "seed": 7}
_STEP = {"inputs": [[0, 1], [1, 1]], "targets": [[1], [0]], "optimizer": {"kind": "adam"}}


class Watched(Running):
    """A running server with witnesses: a network of each dtype that has taken a step."""

    def __init__(self, folder: Path, *flags: str) -> None:
        limits = [part for name, value in LIMITS.items() for part in (f"--{name}", str(value))]
        super().__init__(folder, *limits, *flags)
        client = self.client()
        self.witnesses = [_witness(client, dtype) for dtype in ("float32", "float64")]
        self.jobs = [_job(client, number) for number in (0, 1e308)]
        self._before = self._testimony(client)
        self._memory = self.resident()

    def resident(self) -> int:
        """Bytes of memory that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def require_whole(self) -> None:
        """Raise AssertionError unless the server is as well as it was before."""
        assert self.process.poll() is None, f"the server ended: {self.log.read_text()}"
        client = self.client()
        require_ready(client)
        assert client.get("/healthz").status_code == 200
        assert self._testimony(client) == self._before, "a network changed that nobody wrote to"
        assert server_errors(client) == []
        assert "Traceback" not in self.log.read_text()
        grown = self.resident() - self._memory
        assert grown < GROWTH, f"the server holds {grown / 2**20:.0f} MiB more than before"

    def _testimony(self, client: httpx.Client) -> list[bytes]:
        return [
            client.get(path + part).raise_for_status().content
            for path in self.witnesses
            for part in ("", "/parameters", "/parameters?version=0", "/versions")
        ] + [client.get(path + part).content for path in self.jobs for part in ("", "/result", "/events")]


def _witness(client: httpx.Client, dtype: str) -> str:
    made = client.post("/v1/networks", json={**_SPEC, "dtype": dtype, "name": "witness"}).raise_for_status()
    path: str = made.headers["location"]
    client.post(f"{path}/sgd-step", json=_STEP).raise_for_status()
    return path


def _job(client: httpx.Client, number: float) -> str:
    """A job that has ended: it succeeded, or failed where the number is too large."""
    spec = {"inputs": 1, "layers": [{"units": 1, "activation": "identity"}], "dtype": "float64", "name": "of jobs"}
    spec["parameters"] = [{"layer": 2, "weights": [[10]], "biases": [0]}]
    network = client.post("/v1/networks", json=spec).raise_for_status().headers["location"]
    asked = client.post(f"{network}/feedforward", json={"inputs": [[number]]}, headers={"prefer": "respond-async"})
    path: str = asked.raise_for_status().headers["location"]
    ended = client.get(f"{path}?wait=20").raise_for_status().json()["status"]
    assert ended == ("failed" if number else "succeeded")
    return path


def server_errors(client: httpx.Client) -> list[str]:
    """The lines of /metrics that count an answer of 5xx."""
    return re.findall(r'^gradwire_requests_total\{.*status="5\d\d".*$', client.get("/metrics").text, re.MULTILINE)
