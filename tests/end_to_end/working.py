"""Jobs over HTTP, for the tests of them: asked for, waited for, followed; and work that takes long enough to be caught."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

ASYNC = {"prefer": "respond-async"}
BATCH = {"inputs": [[0.0, 1.0], [1.0, 1.0]]}
STEP = {**BATCH, "targets": [[1.0], [0.0]], "optimizer": {"kind": "sgd", "learning_rate": 0.5}}

SMALL = {"inputs": 2, "layers": [{"units": 1, "activation": "tanh"}]}
SLOW = {
    "inputs": 1,
    "layers": [{"units": 1000, "activation": "tanh"}] * 6 + [{"units": 1, "activation": "tanh"}],
    "dtype": "float64",
}
"""A network on which `slow` takes a second or so: 5 million weights, 2500 examples."""
SLOW_BATCH = {"inputs": [[0.5]] * 2500, "targets": [[0.0]] * 2500}
SLOW_STEP = {**SLOW_BATCH, "optimizer": {"kind": "sgd", "learning_rate": 0.01}}
LASTING_BATCH = {"inputs": [[0.5]] * 10_000, "targets": [[0.0]] * 10_000}
"""Four times as long: it is there to be caught while it runs, and comes to its end."""
LONG_BATCH = {"inputs": [[0.5]] * 20_000, "targets": [[0.0]] * 20_000}
"""Eight times as long: it is not meant to come to its end, however slow the disk is beside it."""
LONG_STEP = {**LONG_BATCH, "optimizer": SLOW_STEP["optimizer"]}


def make(client: httpx.Client, spec: dict[str, Any] = SMALL) -> str:
    """A network's path."""
    return client.post("/v1/networks", json=spec).headers["location"]


def ask(client: httpx.Client, path: str, body: dict[str, Any], **headers: str) -> str:
    """Ask for a job, and where it is."""
    response = client.post(
        path, json=body, headers={**ASYNC, **{name.replace("_", "-"): v for name, v in headers.items()}}
    )
    assert response.status_code == 202, response.text
    return response.headers["location"]


def end(client: httpx.Client, job: str) -> dict[str, Any]:
    """The job when it has finished."""
    for _ in range(4):
        found: dict[str, Any] = client.get(job, params={"wait": 20}).json()
        if found["finished_at"] is not None:
            return found
    raise AssertionError(f"the job does not end: {found}")


def begins(client: httpx.Client, job: str) -> str:
    """The job, once it runs."""
    with client.stream("GET", f"{job}/events") as told:
        next(event for event in events(told) if event.data["status"] == "running")
    return job


@contextmanager
def busy(client: httpx.Client) -> Iterator[str]:
    """A job that keeps a worker until the block ends, or cancels it."""
    job = begins(client, ask(client, f"{make(client, SLOW)}/backprop", LONG_BATCH))
    yield job
    assert client.delete(job).status_code == 204


@dataclass(frozen=True)
class Event:
    id: int
    name: str
    data: dict[str, Any]


def events(response: httpx.Response) -> Iterator[Event]:
    """Server-sent events, read by the rules of the HTML standard; comments are left out."""
    assert response.headers["content-type"].startswith("text/event-stream")
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            if "data" in fields:
                yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
