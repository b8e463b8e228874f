"""Jobs over HTTP, for the tests of them: asked for, waited for, followed; and work that takes long enough to be caught."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

ASYNC = {"prefer": "respond-async"}
BATCH = {"inputs": [[0.0, 1.0], [1.0, 1.0]]}
STEP = {**BATCH, "targets": [[1.0], [0.0]], "optimizer": {"kind": "sgd", "learning_rate": 0.5}}

SLOW = {
    "inputs": 1,
    "layers": [{"units": 1000, "activation": "tanh"}] * 6 + [{"units": 1, "activation": "tanh"}],
    "dtype": "float64",
}
"""A network on which `slow` takes a second or so: 5 million weights, 1000 examples."""
SLOW_BATCH = {"inputs": [[0.5]] * 1000, "targets": [[0.0]] * 1000}
SLOW_STEP = {**SLOW_BATCH, "optimizer": {"kind": "sgd", "learning_rate": 0.01}}


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


def busy(client: httpx.Client, count: int = 1) -> list[str]:
    """Jobs that keep as many workers busy for a second or so; they are running when this returns."""
    made = client.post("/v1/networks", json=SLOW).headers["location"]
    jobs = [ask(client, f"{made}/backprop", SLOW_BATCH) for _ in range(count)]
    for job in jobs:
        with client.stream("GET", f"{job}/events") as told:
            next(event for event in events(told) if event.data["status"] == "running")
    return jobs


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
