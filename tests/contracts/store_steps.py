"""The contract of a store, part five: a version kept as the step that made it, and the way to its numbers."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from service.errors import CorruptState, Gone, IdempotencyMismatch, NotFound, StalePrecondition
from service.storage.base import CheckpointRecord, StepRecord, Store, Trail, timestamp
from tests.contracts.drawings import commit, create, flip, made, receipt, same, state, step, take
from tests.contracts.store_base import StoreBase


def alike(one: StepRecord, other: StepRecord) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        and getattr(getattr(one, field.name), "dtype", None) == getattr(getattr(other, field.name), "dtype", None)
        for field in fields(StepRecord)
    )


def leads(trail: Trail, whole: int, version: int) -> bool:
    """Whether a trail begins at a whole version and has each step up to a version."""
    wanted = [step(number) for number in range(whole + 1, version + 1)]
    return (
        trail.version == whole
        and same(trail.state, state(whole))
        and len(trail.steps) == len(wanted)
        and all(map(alike, trail.steps, wanted))
    )


class Steps(StoreBase):
    """Versions whose numbers are computed again."""

    def test_the_way_to_a_version_is_the_whole_one_before_it_and_the_steps(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        network = create(store)
        for version in (1, 2):
            take(store, network, version, key=f"k{version}")
        commit(store, network, 3)
        for version in (4, 5):
            take(store, network, version)
        for _ in range(2):
            assert leads(store.trail(network), 3, 5)
            ways = [store.trail(network, version) for version in range(6)]
            assert all(map(leads, ways, (0, 0, 0, 3, 3, 3), range(6)))
            assert store.network(network).version == 5
            listed = list(store.versions(network, 9))[::-1]
            assert [entry.recorded for entry in listed] == [False, True, True, False, True, True]
            assert all(entry.retained and entry.stored_bytes > 0 for entry in listed)
            assert store.stored_bytes(network) == sum(entry.stored_bytes for entry in listed)
            assert store.receipt(network, "k2") == receipt(network, "k2", 2)
            store.close()
            store = self.open(tmp_path)
        store.close()

    def test_a_step_is_a_write_like_any_other(self, store: Store) -> None:
        network = create(store)
        take(store, network, 1, key="once")
        with pytest.raises(StalePrecondition):
            take(store, network, 1)
        with pytest.raises(IdempotencyMismatch):
            take(store, network, 2, key="once")
        assert leads(store.trail(network), 0, 1)
        with pytest.raises(ValueError, match="kept as a step"):
            store.state(network)
        with pytest.raises(NotFound):
            store.trail(network, 2)

    def test_labels_and_single_precision_come_back_as_they_were(self, store: Store) -> None:
        network = create(store)
        inputs, labels = np.arange(6, dtype="float32").reshape(2, 3), np.array([1, 0])
        kept = StepRecord(inputs, labels, {"kind": "adam", "clip_norm": None, "learning_rate": 0.1}, {"n": "1"}, b"d")
        store.commit_version(network, 0, kept, made(1)).result(30)
        assert alike(store.trail(network).steps[0], kept)

    def test_numbers_take_the_place_of_a_step(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        network = create(store)
        for version in range(1, 5):
            take(store, network, version)
        before = store.versions(network, 9)
        for _ in range(2):  # a second time nothing happens
            store.keep_whole(network, 2, state(2)).result(30)
        store.close()
        store = self.open(tmp_path)
        assert same(store.state(network, 2), state(2))
        assert leads(store.trail(network, 1), 0, 1)
        assert leads(store.trail(network), 2, 4)
        after = store.versions(network, 9)
        assert [(one.version, one.made_by, one.created_at) for one in after] == [
            (one.version, one.made_by, one.created_at) for one in before
        ]
        for lost in (lambda: store.keep_whole(network, 5, state(5)), lambda: store.keep_whole("net_no", 0, state(0))):
            with pytest.raises((Gone, NotFound)):
                lost().result(30)
        store.close()

    def test_a_name_needs_the_numbers_and_keeps_them(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_versions=2)
        network = create(store)
        for version in range(1, 4):
            take(store, network, version)
        named = CheckpointRecord("three", 3, timestamp())
        with pytest.raises(ValueError, match="numbers are needed"):
            store.create_checkpoint(network, named).result(30)
        assert store.checkpoints(network) == []
        store.create_checkpoint(network, named, 3, receipt(network, "k", 3), state(3)).result(30)
        for version in range(4, 9):
            take(store, network, version)
        commit(store, network, 9)
        commit(store, network, 10)
        assert same(store.state(network, 3), state(3))
        assert [entry.version for entry in store.versions(network, 99) if entry.stored_bytes] == [10, 9, 3]
        store.delete_checkpoint(network, "three").result(30)
        with pytest.raises(Gone):
            store.trail(network, 3)
        store.close()

    def test_old_versions_are_gone_to_the_one_though_steps_start_from_them(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_versions=3)
        network = create(store)
        for version in range(1, 8):
            take(store, network, version)
            kept = {entry.version for entry in store.versions(network, 99) if entry.retained}
            assert kept == set(range(max(0, version - 2), version + 1))
            assert all(leads(store.trail(network, number), 0, number) for number in kept)
        for gone in range(5):
            with pytest.raises(Gone):
                store.trail(network, gone)
            with pytest.raises(Gone):
                store.create_checkpoint(network, CheckpointRecord("x", gone, timestamp()), state=state(gone)).result(30)
        commit(store, network, 8)
        take(store, network, 9)
        assert {entry.version for entry in store.versions(network, 99) if entry.stored_bytes} == set(range(10))
        take(store, network, 10)
        left = {entry.version: entry.retained for entry in store.versions(network, 99) if entry.stored_bytes}
        assert left == dict.fromkeys((8, 9, 10), True), "what nothing starts from any more is not kept"
        store.close()

    def test_bytes_bound_the_steps_too(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_bytes=0)
        network = create(store, size=1000)
        for version in range(1, 30):
            if version % 5:
                take(store, network, version)
            else:
                commit(store, network, version, size=1000)
            kept = [entry.version for entry in store.versions(network, 99) if entry.stored_bytes]
            base = (version - 1) // 5 * 5  # of the previous version, which is kept whatever it takes
            assert kept == list(range(version, base - 1, -1))
            assert store.trail(network, version - 1).version == base
        store.close()

    def test_a_network_goes_with_its_steps(self, store: Store) -> None:
        network = create(store)
        take(store, network, 1)
        store.delete_network(network).result(30)
        with pytest.raises(NotFound):
            store.trail(network)

    @pytest.mark.parametrize("version", [0, 1, 2])
    def test_a_flipped_bit_anywhere_on_the_way_is_found_and_named(self, tmp_path: Path, version: int) -> None:
        store = self.open(tmp_path)
        network = create(store)
        for number in (1, 2):
            take(store, network, number)
        store.close()
        flip(tmp_path, (step(version).inputs if version else state(0).parameters).tobytes(), 77)
        store = self.open(tmp_path)
        with pytest.raises(CorruptState, match=network):
            store.trail(network)
        store.close()
