"""Small networks, states and records for the contracts; the numbers of version k are told from those of any other."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import numpy as np

from service.storage.base import (
    NetworkRecord,
    NetworkState,
    Receipt,
    StepRecord,
    Store,
    VersionRecord,
    timestamp,
)

SPEC: dict[str, Any] = {
    "inputs": 3,
    "layers": [{"units": 4, "activation": "tanh"}, {"units": 2, "activation": "sigmoid"}],
    "cost": "quadratic",
    "initializer": "gaussian",
    "seed": 7,
    "dtype": "float64",
}
SIZE = 4 * 3 + 4 + 2 * 4 + 2


def identity() -> str:
    return "net_" + secrets.token_hex(8)


def state(version: int, size: int = SIZE, dtype: str = "float64", *, optimizer: bool = True) -> NetworkState:
    vector = np.arange(size, dtype=dtype) + 1000 * version
    if not optimizer:
        return NetworkState(vector)
    arrays = {"velocity": -vector, "step": np.array(version, "int64"), "scale": np.array(0.1 * version)}
    return NetworkState(vector, "sgd", arrays)


def step(version: int) -> StepRecord:
    """Told from the step to any other version; nothing computes it."""
    inputs = np.random.default_rng(version).random((4, 3))
    options = {"kind": "sgd", "learning_rate": version / 7, "clip_norm": None}
    return StepRecord(inputs, inputs[:, :2] * version, options, {"drawn": "1"}, bytes([version]) * 16)


def same(one: NetworkState, other: NetworkState) -> bool:
    pairs = {**one.optimizer, "": one.parameters}, {**other.optimizer, "": other.parameters}
    return (
        one.optimizer_kind == other.optimizer_kind
        and pairs[0].keys() == pairs[1].keys()
        and all(
            a.dtype == pairs[1][name].dtype
            and a.shape == pairs[1][name].shape
            and a.tobytes() == pairs[1][name].tobytes()
            for name, a in pairs[0].items()
        )
    )


def made(version: int, by: str = "sgd-step") -> VersionRecord:
    return VersionRecord(version, by, timestamp(), {"cost": version / 8})


def receipt(scope: str, key: str, version: int, fingerprint: str = "f") -> Receipt:
    return Receipt(scope, key, fingerprint, 200, version, {"version": version, "cost": version / 8})


def create(store: Store, network: str | None = None, **options: Any) -> str:
    network = network or identity()
    now = timestamp()
    record = NetworkRecord(network, "drawn", SPEC, 0, now, now)
    store.create_network(record, state(0, **options), made(0, "create")).result(30)
    return network


def commit(store: Store, network: str, version: int, key: str | None = None, **options: Any) -> None:
    kept = receipt(network, key, version) if key is not None else None
    store.commit_version(network, version - 1, state(version, **options), made(version), kept).result(30)


def take(store: Store, network: str, version: int, key: str | None = None) -> None:
    kept = receipt(network, key, version) if key is not None else None
    store.commit_version(network, version - 1, step(version), made(version), kept).result(30)


def flip(folder: Path, numbers: bytes, place: int) -> None:
    """Flip one bit of `numbers` in whatever file they are in, at least in one."""
    flipped = 0
    for path in folder.rglob("*"):
        data = bytearray(path.read_bytes()) if path.is_file() else bytearray()
        # A page of a database may divide the numbers, so the bytes around the place are looked for, not all of them.
        start = min(max(0, place - 4), len(numbers) - 8)
        at = data.find(numbers[start : start + 8])
        if at >= 0:
            data[at + place - start] ^= 1
            path.write_bytes(bytes(data))
            flipped += 1
    assert flipped, "the numbers were found in no file"
