"""The contract of a store, part four: a name keeps a version, and taking it away lets the version go."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import AlreadyExists, Gone, IdempotencyMismatch, NotFound, StalePrecondition, TooLarge
from service.storage.base import CheckpointRecord, Store, timestamp
from tests.contracts.drawings import commit, create, receipt, same, state
from tests.contracts.store_base import StoreBase


def name(store: Store, network: str, name: str, version: int, key: str | None = None) -> CheckpointRecord:
    made = CheckpointRecord(name, version, timestamp())
    kept = receipt(network, key, version) if key is not None else None
    store.create_checkpoint(network, made, receipt=kept).result(30)
    return made


class Checkpoints(StoreBase):
    """Names for versions."""

    def test_a_named_version_outlives_retention_and_a_restart(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_versions=2)
        network = create(store)
        names = [name(store, network, "start", 0)]
        for version in range(1, 10):
            commit(store, network, version)
            if version == 4:
                names += [name(store, network, "four ❄", 4), name(store, network, "four again", 4)]
        store.close()
        store = self.open(tmp_path, keep_versions=2)
        commit(store, network, 10)
        assert store.checkpoints(network) == names
        assert [store.checkpoint(network, made.name) for made in names] == names
        kept = {entry.version: entry.checkpoints for entry in store.versions(network, 99) if entry.retained}
        assert kept == {10: (), 9: (), 4: ("four ❄", "four again"), 0: ("start",)}
        assert all(same(store.state(network, version), state(version)) for version in kept)
        store.close()

    def test_a_version_goes_with_its_last_name(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_versions=2)
        network = create(store)
        name(store, network, "one", 0)
        name(store, network, "two", 0)
        for version in range(1, 4):
            commit(store, network, version)
        before = store.stored_bytes(network)
        store.delete_checkpoint(network, "one").result(30)
        assert same(store.state(network, 0), state(0))
        store.delete_checkpoint(network, "two").result(30)
        with pytest.raises(Gone):
            store.state(network, 0)
        assert store.stored_bytes(network) < before
        assert store.checkpoints(network) == []
        store.close()

    def test_names_of_what_is_still_within_bounds_take_nothing_away(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_versions=2)
        network = create(store)
        commit(store, network, 1)
        for version in (0, 1):
            name(store, network, f"v{version}", version)
            store.delete_checkpoint(network, f"v{version}").result(30)
        assert [entry.retained for entry in store.versions(network, 9)] == [True, True]
        store.close()

    def test_what_cannot_be_named(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_versions=2, max_checkpoints=2)
        network = create(store)
        for version in range(1, 4):
            commit(store, network, version)
        for version in (4, -1):
            with pytest.raises(NotFound):
                name(store, network, "x", version)
        with pytest.raises(NotFound):
            name(store, "net_unknown", "x", 0)
        with pytest.raises(Gone):
            name(store, network, "x", 1)
        name(store, network, "x", 2)
        with pytest.raises(AlreadyExists):
            name(store, network, "x", 3)
        name(store, create(store), "x", 0)
        name(store, network, "y", 3)
        with pytest.raises(TooLarge) as refused:
            name(store, network, "z", 3)
        assert refused.value.figures == {"asked": 3, "limit": 2}
        assert [made.name for made in store.checkpoints(network)] == ["x", "y"]
        store.close()

    def test_a_name_is_given_once_for_a_key_and_only_to_the_expected_version(self, store: Store) -> None:
        network = create(store)
        commit(store, network, 1)
        made = CheckpointRecord("x", 1, timestamp())
        with pytest.raises(StalePrecondition):
            store.create_checkpoint(network, made, expected=0).result(30)
        name(store, network, "x", 1, key="once")
        assert store.receipt(network, "once") == receipt(network, "once", 1)
        with pytest.raises(IdempotencyMismatch):
            name(store, network, "y", 1, key="once")
        with pytest.raises(StalePrecondition):
            store.delete_checkpoint(network, "x", expected=0).result(30)
        store.delete_checkpoint(network, "x", expected=1).result(30)
        with pytest.raises(NotFound):
            store.delete_checkpoint(network, "x").result(30)

    def test_what_is_not_there_is_not_found(self, store: Store) -> None:
        network = create(store)
        for read in (
            lambda: store.checkpoint(network, "x"),
            lambda: store.checkpoint("net_unknown", "x"),
            lambda: store.checkpoints("net_unknown"),
            lambda: store.stored_bytes("net_unknown"),
            lambda: store.delete_checkpoint("net_unknown", "x").result(30),
        ):
            with pytest.raises(NotFound):
                read()

    def test_names_go_with_their_network(self, store: Store) -> None:
        network, other = create(store), create(store)
        name(store, network, "x", 0)
        kept = name(store, other, "x", 0)
        store.delete_network(network).result(30)
        with pytest.raises(NotFound):
            store.checkpoints(network)
        assert store.checkpoints(other) == [kept]
        again = create(store)
        assert store.checkpoints(again) == []
