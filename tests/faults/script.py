"""The scripted writes that faults happen to, and a model of a store that says what must be there after each of them.

A store is seen network by network (`view`), and each view is compared whole: record, versions, numbers to the bit, names
and receipts. A write that was not answered when the fault struck may have happened or not; the others have happened.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from service.errors import IdempotencyMismatch, NotFound, StalePrecondition, StorageFull
from service.storage.base import CheckpointRecord, NetworkRecord, NetworkState, Receipt, Store, VersionRecord
from tests.contracts.drawings import SPEC

AT = "2000-01-01T00:00:00.000000Z"
KEEP_VERSIONS = 3
SIZES = {"net_a": 40, "net_b": 1500, "net_c": 300, "net_d": 500}
"""Numbers of each network: one page, several, one, two."""

Step = tuple[Any, ...]
View = dict[str, Any]

SCRIPT: tuple[Step, ...] = (
    ("create", "net_a"),
    ("commit", "net_a", "a1"),
    ("create", "net_b"),
    ("commit", "net_b", "b1"),
    ("name", "net_a", "start", 1),
    ("commit", "net_a", None),
    ("together", "net_a", "net_b"),
    ("create", "net_d"),
    ("ahead", "net_d", 2),
    ("stale", "net_a"),
    ("used key", "net_a", "a1"),
    ("together", "net_a", "net_b"),
    ("create", "net_c"),
    ("rename", "net_b", "renamed"),
    ("whole", "net_a"),
    ("whole", "net_b"),
    ("commit", "net_b", "b9"),
    ("unname", "net_a", "start"),
    ("delete", "net_c"),
    ("commit", "net_a", "a9"),
)


def numbers(network: str, version: int) -> NetworkState:
    """Told from those of every other network and version."""
    rng = np.random.default_rng([ord(network[-1]), version])
    vector = rng.random(SIZES[network])
    return NetworkState(vector, "sgd", {"velocity": -vector, "step": np.array(version)})


def fingerprint(state: NetworkState) -> str:
    parts = [state.parameters, *(state.optimizer[name] for name in sorted(state.optimizer))]
    return hashlib.sha256(b"|".join(part.tobytes() for part in parts)).hexdigest()


@dataclass
class Network:
    """What a store must hold of one network."""

    version: int = 0
    name: str | None = None
    made_by: list[str] = field(default_factory=lambda: ["create"])
    retained: list[int] = field(default_factory=lambda: [0])
    names: dict[str, int] = field(default_factory=dict)
    receipts: dict[str, int] = field(default_factory=dict)

    def retire(self) -> None:
        unnamed = [version for version in self.retained if version not in self.names.values()]
        for version in unnamed[: max(0, len(unnamed) - KEEP_VERSIONS)]:
            self.retained.remove(version)


class Model:
    """The store as it must be after some steps of the script."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.networks: dict[str, Network] = {}
        for step in steps:
            self.apply(step)

    def apply(self, step: Step) -> None:
        kind, network, *rest = step
        if kind == "create":
            self.networks[network] = Network()
        elif kind == "delete":
            del self.networks[network]
        elif kind == "together":
            for one in (network, *rest):
                self._commit(self.networks[one], f"{one}-{self.networks[one].version + 1}")
        elif kind == "ahead":
            for _ in range(rest[0]):
                self._commit(self.networks[network], f"{network}-{self.networks[network].version + 1}")
        elif kind == "commit":
            self._commit(self.networks[network], rest[0])
        elif kind == "rename":
            self.networks[network].name = rest[0]
        elif kind == "name":
            self.networks[network].names[rest[0]] = rest[1]
        elif kind == "unname":
            del self.networks[network].names[rest[0]]
            self.networks[network].retire()

    def _commit(self, network: Network, key: str | None) -> None:
        network.version += 1
        network.made_by.append("sgd-step")
        network.retained.append(network.version)
        if key is not None:
            network.receipts[key] = network.version
        network.retire()

    def view(self, identity: str) -> View | None:
        network = self.networks.get(identity)
        if network is None:
            return None
        return {
            "record": (network.version, network.name),
            "versions": [
                (version, made_by, sorted(name for name, named in network.names.items() if named == version))
                for version, made_by in enumerate(network.made_by)
            ],
            "numbers": {version: fingerprint(numbers(identity, version)) for version in network.retained},
            "receipts": network.receipts,
        }


def keys(network: str) -> list[str]:
    return ["a1", "b1", "a9", "b9", *(f"{network}-{version}" for version in range(9))]


def view(store: Store, network: str) -> View | None:
    """All that a store says of a network; None where it knows none."""
    try:
        record = store.network(network)
    except NotFound:
        return None
    listed = store.versions(network, 100)[::-1]
    found = {key: store.receipt(network, key) for key in keys(network)}
    return {
        "record": (record.version, record.name),
        "versions": [(one.version, one.made_by, sorted(one.checkpoints)) for one in listed],
        "numbers": {one.version: fingerprint(store.state(network, one.version)) for one in listed if one.retained},
        "receipts": {key: kept.body["version"] for key, kept in found.items() if kept is not None},
    }


class Player:
    """Plays the script against a store; a step returns when all that it asked for has been acknowledged."""

    def __init__(self, store: Store, model: Model) -> None:
        self.refused = 0
        """Writes of a step of several that found no room at first."""
        self._store = store
        self._model = copy.deepcopy(model)

    def play(self, step: Step) -> None:
        """May raise `StorageFull`, after which nothing of a step of one write has happened."""
        kind, network, *rest = step
        store, known = self._store, self._model.networks.get(network, Network())
        if kind == "create":
            record = NetworkRecord(network, None, SPEC, 0, AT, AT)
            store.create_network(record, numbers(network, 0), VersionRecord(0, "create", AT)).result(60)
        elif kind == "delete":
            store.delete_network(network, known.version).result(60)
        elif kind == "together":
            self._together([network, *rest])
        elif kind == "ahead":
            self._ahead(network, rest[0])
        elif kind == "commit":
            self._commit(network, rest[0]).result(60)
        elif kind == "rename":
            store.rename_network(network, rest[0], AT).result(60)
        elif kind == "whole":
            store.keep_whole(network, known.version, numbers(network, known.version)).result(60)
        elif kind == "name":
            store.create_checkpoint(network, CheckpointRecord(rest[0], rest[1], AT)).result(60)
        elif kind == "unname":
            store.delete_checkpoint(network, rest[0]).result(60)
        elif kind == "stale":
            _refused(self._commit(network, None, known.version - 1), StalePrecondition)
        elif kind == "used key":
            _refused(self._commit(network, rest[0]), IdempotencyMismatch)
        self._model.apply(step)

    def _together(self, networks: list[str]) -> None:
        """One commit each, all under way at once; what finds no room is tried again beside those that found it."""
        while networks:
            futures = {one: self._commit(one, f"{one}-{self._model.networks[one].version + 1}") for one in networks}
            networks = [one for one, future in futures.items() if isinstance(future.exception(60), StorageFull)]
            self.refused += len(networks)
            for one in futures.keys() - set(networks):
                futures[one].result()

    def _ahead(self, network: str, count: int) -> None:
        """Versions of one network, all under way at once; where one finds no room, those that follow it are refused."""
        known, last = self._model.networks[network].version, self._model.networks[network].version + count
        while known < last:
            futures = [self._commit(network, f"{network}-{after + 1}", after) for after in range(known, last)]
            outcomes = [future.exception(60) for future in futures]
            landed = next((at for at, error in enumerate(outcomes) if error is not None), len(outcomes))
            for at, error in enumerate(outcomes[landed:]):
                if type(error) not in ({StorageFull, StalePrecondition} if at else {StorageFull}):
                    raise AssertionError(f"{outcomes}, of versions of which each follows the one before it") from error
            known += landed
            self.refused += known < last

    def _commit(self, network: str, key: str | None, after: int | None = None) -> Any:
        expected = self._model.networks[network].version if after is None else after
        version = expected + 1
        receipt = Receipt(network, key, "f", 200, version, {"version": version}) if key else None
        made = VersionRecord(version, "sgd-step", AT)
        return self._store.commit_version(network, expected, numbers(network, version), made, receipt)


def _refused(future: Any, kind: type[Exception]) -> None:
    try:
        future.result(60)
    except kind:
        return
    raise AssertionError(f"a write was taken that {kind.__name__} should have refused")
