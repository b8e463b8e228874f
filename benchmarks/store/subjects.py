"""The two that take turns: an overwrite with its fdatasync, and a client of the store.

Invariant: a client names the version that it replaces and brings a key, as a client over HTTP would; what it has been
told is kept can be read afterwards, to the bit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from service.storage.base import NetworkRecord, NetworkState, Receipt, StepRecord, Store, VersionRecord, timestamp
from service.storage.digests import digest_of

__all__ = ["Client", "Logger", "Overwrite", "Wrong"]

_SPEC = {
    "inputs": 784,
    "layers": [{"units": 30, "activation": "sigmoid"}, {"units": 10, "activation": "sigmoid"}],
    "cost": "quadratic",
    "initializer": "gaussian",
    "seed": 0,
    "dtype": "float32",
}


class Wrong(Exception):
    """The store does not hold what it said it holds."""


class Overwrite:
    """A file whose bytes, all of them allocated and written before, are written again and synced."""

    def __init__(self, path: Path, nbytes: int) -> None:
        self._content = memoryview(np.random.default_rng(0).bytes(nbytes))
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._write()
        os.fsync(self._file)

    def __call__(self) -> float:
        """Once; the seconds that it took."""
        begun = time.perf_counter()
        self._write()
        os.fdatasync(self._file)
        return time.perf_counter() - begun

    def close(self) -> None:
        os.close(self._file)

    def _write(self) -> None:
        offset = 0
        while offset < len(self._content):  # one call writes 2 GB at most
            offset += os.pwrite(self._file, self._content[offset:], offset)


class Client:
    """Trains one network of its own: a version after the other, the next when the last is on disk."""

    def __init__(self, store: Store, number: int, nbytes: int, optimizer: str = "sgd") -> None:
        self.network, self.version = f"net_{number}", 0
        self._store = store
        self._states = [_state(nbytes, seed, optimizer) for seed in range(2)]
        at = timestamp()
        record = NetworkRecord(self.network, None, _SPEC, 0, at, at)
        store.create_network(record, self._states[0], VersionRecord(0, "create", at)).result()

    def __call__(self) -> float:
        """A commit; the seconds until it was acknowledged."""
        begun = time.perf_counter()
        self.submit().result()
        return time.perf_counter() - begun

    def submit(self) -> Future[None]:
        """Hand the next version over."""
        before, self.version = self.version, self.version + 1
        said = {"cost": 0.71, "gradient_norm": 1.9}
        made = VersionRecord(self.version, "sgd-step", timestamp(), said)
        body = {"version": self.version, **said}
        receipt = Receipt(self.network, f"step-{self.version}", "f" * 64, 200, self.version, body)
        return self._store.commit_version(self.network, before, self._kept(self.version), made, receipt)

    def _kept(self, version: int) -> NetworkState | StepRecord:
        return self._states[version % 2]

    def go_on_until(self, end: float, done: Callable[[], None]) -> None:
        """A commit after the other, until a time of the clock; `done` is called when the last is on disk."""

        def acknowledged(future: Future[None]) -> None:
            future.result()
            if time.perf_counter() < end:
                self.submit().add_done_callback(acknowledged)
            else:
                done()

        self.submit().add_done_callback(acknowledged)

    def check(self) -> None:
        """Raise `Wrong` unless the newest version is there, with its numbers and its receipt."""
        kept, wanted = self._store.state(self.network), self._states[self.version % 2]
        receipt = self._store.receipt(self.network, f"step-{self.version}")
        if self._store.network(self.network).version != self.version or receipt is None:
            raise Wrong(f"{self.network} is not at version {self.version}")
        if kept.parameters.tobytes() != wanted.parameters.tobytes():
            raise Wrong(f"the numbers of {self.network} are not those that were kept")


class Logger(Client):
    """A client whose steps are kept as records of `batch`, but for every 64th; each has the digest of what it made."""

    batch: tuple[np.ndarray, np.ndarray]

    def _kept(self, version: int) -> NetworkState | StepRecord:
        state = super()._kept(version)
        if version % 64 == 0 or not isinstance(state, NetworkState):
            return state
        options = {"kind": "sgd", "learning_rate": 0.001}
        return StepRecord(*self.batch, options, {"measured": "not computed"}, digest_of(state))

    def check(self) -> None:
        """Raise `Wrong` unless the newest version is there with its step, or its numbers, and its receipt."""
        trail = self._store.trail(self.network)
        receipt = self._store.receipt(self.network, f"step-{self.version}")
        if trail.version + len(trail.steps) != self.version or receipt is None:
            raise Wrong(f"{self.network} is not at version {self.version}")
        if trail.steps and trail.steps[-1].inputs.tobytes() != self.batch[0].tobytes():
            raise Wrong(f"the step of {self.network} is not the one that was kept")


def _state(nbytes: int, seed: int, optimizer: str) -> NetworkState:
    vector = _numbers(nbytes, seed)
    if optimizer == "sgd":
        return NetworkState(vector)
    return NetworkState(vector, optimizer, {"mean": vector / 2, "square": vector / 3})


def _numbers(nbytes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(nbytes // 4, np.float32)
