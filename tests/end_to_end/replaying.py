"""Networks whose steps are logged, of three sizes, and steps of them; for the tests over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from service.storage.connections import open_reader
from service.storage.journal.looking import opened
from service.storage.journal.recovery import scan
from tests.end_to_end import tensors
from tests.end_to_end.running import Running

SMALL = {
    "inputs": 3,
    "layers": [{"units": 40, "activation": "tanh"}, {"units": 2, "activation": "sigmoid"}],
    "seed": 11,
    "dtype": "float64",
}
"""Whose passes are compiled."""
LARGE = {
    "inputs": 300,
    "layers": [
        {"units": 2000, "activation": "gelu"},
        {"units": 3000, "activation": "relu"},
        {"units": 10, "activation": "softmax"},
    ],
    "cost": "cross_entropy",
    "seed": 3,
}
"""Of 6.6 million parameters: kept whole it is in a slot."""
WIDE = {"inputs": 2000, "layers": [{"units": 1200, "activation": "tanh"}], "seed": 5}
"""With 500 examples, whose product is too long for a compiled pass: a record of 6 MB, in a slot itself."""
ROWS = {"SMALL": 8, "LARGE": 16, "WIDE": 500}
SPECS: dict[str, dict[str, Any]] = {"SMALL": SMALL, "LARGE": LARGE, "WIDE": WIDE}
REPLAY = {"durability": "replay"}
KINDS = (
    {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    {"kind": "adam", "learning_rate": 0.001, "clip_norm": 0.5},
    {"kind": "adagrad", "learning_rate": 0.01, "weight_decay": 0.01, "decay_biases": False},
)


def step(spec: dict[str, Any], rows: int, number: int, optimizer: dict[str, Any]) -> bytes:
    """A step in tensors: the numbers are those that are computed with."""
    rng, dtype, last = np.random.default_rng(number), spec.get("dtype", "float32"), spec["layers"][-1]["units"]
    inputs = rng.standard_normal((rows, spec["inputs"]))
    targets = rng.integers(0, last, rows) if spec.get("cost") == "cross_entropy" else rng.uniform(size=(rows, last))
    return tensors.encode({"inputs": inputs, "targets": targets, "optimizer": optimizer}, dtype)


def take(client: httpx.Client, path: str, body: bytes, **headers: str) -> httpx.Response:
    answer = client.post(f"{path}/sgd-step", content=body, headers={"content-type": tensors.MEDIA, **headers})
    assert answer.status_code == 200, answer.text
    return answer


def parameters(client: httpx.Client, path: str, version: int | None = None) -> dict[str, bytes]:
    query = {} if version is None else {"version": version}
    answer = client.get(f"{path}/parameters", params=query, headers={"accept": tensors.MEDIA})
    assert answer.status_code == 200, answer.text
    return {name: array.tobytes() for name, array in tensors.decode(answer.content)[0].items()}


def create(client: httpx.Client, spec: dict[str, Any], **more: Any) -> str:
    return str(client.post("/v1/networks", json={**spec, **more}).headers["location"])


def recorded(folder: Path) -> int:
    """How many versions are kept as steps, in rows or in the journal of a process that is gone."""
    connection = open_reader(folder / "gradwire.db")
    with opened(folder) as journal:
        waiting = scan(connection, folder, journal).entries
    in_rows = int(connection.execute("SELECT count(*) FROM snapshots WHERE recorded").get)
    connection.close()
    return in_rows + sum(entry.kept.encoded.recorded for entry in waiting)


def crashed(
    launch: Callable[..., Running], spec: dict[str, Any], steps: int, *flags: str, rows: int = 8
) -> tuple[Running, str]:
    """A server that was killed after so many steps of one network, and that network's path."""
    running = launch(*flags)
    with running.client() as client:
        path = create(client, spec, **REPLAY)
        for number in range(steps):
            take(client, path, step(spec, rows, number, KINDS[0]))
        client.get(f"{path}/versions")  # with that, all of it is in rows
    running.kill()
    return running, path
