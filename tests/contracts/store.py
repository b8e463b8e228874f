"""The contract of a store: a store is finished when it passes `StoreContract`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.errors import (
    CorruptState,
    Gone,
    IdempotencyMismatch,
    InvalidInput,
    NotFound,
    ServiceError,
    StalePrecondition,
    StorageUnavailable,
)
from service.storage.base import NetworkRecord, NetworkState, Store, VersionRecord, timestamp
from tests.contracts import stores
from tests.contracts.drawings import SPEC, commit, create, identity, made, receipt, same, state

ROOT = Path(__file__).parents[2]


class StoreContract:
    """Subclass it and name the store (a function of `tests.contracts.stores`)."""

    name: str

    def open(self, folder: Path, **limits: Any) -> Store:
        store: Store = getattr(stores, self.name)(folder, **limits)
        return store

    @pytest.fixture
    def store(self, tmp_path: Path):
        store = self.open(tmp_path)
        yield store
        store.close()

    # What is written is read.

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("optimizer", [True, False])
    def test_what_is_created_is_read_to_the_bit(self, store: Store, dtype: str, optimizer: bool) -> None:
        now = timestamp()
        record = NetworkRecord(identity(), "snow ❄", SPEC, 0, now, now)
        wanted = state(0, 1000, dtype, optimizer=optimizer)
        store.create_network(record, wanted, VersionRecord(0, "create", now)).result()
        assert store.network(record.id) == record
        assert same(store.state(record.id), wanted)
        assert list(store.versions(record.id, 10)) == [VersionRecord(0, "create", now)]

    def test_extreme_numbers_come_back(self, store: Store) -> None:
        network = create(store)
        numbers = np.array([5e-324, -0.0, 1.7976931348623157e308, 0.1, np.pi], "float64")
        store.commit_version(network, 0, NetworkState(numbers), made(1)).result()
        assert store.state(network).parameters.tobytes() == numbers.tobytes()

    def test_a_strided_array_is_kept_as_it_reads(self, store: Store) -> None:
        network = create(store)
        store.commit_version(network, 0, NetworkState(np.arange(10.0)[::-2]), made(1)).result()
        assert store.state(network).parameters.tolist() == [9, 7, 5, 3, 1]

    def test_what_is_read_cannot_be_written_to(self, store: Store) -> None:
        kept = store.state(create(store))
        for array in (kept.parameters, *kept.optimizer.values()):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0

    def test_versions_follow_each_other(self, store: Store) -> None:
        network = create(store)
        for version in range(1, 6):
            commit(store, network, version)
        assert store.network(network).version == 5
        assert same(store.state(network), state(5))
        for version in range(6):
            assert same(store.state(network, version), state(version))
        assert [entry.version for entry in store.versions(network, 3)] == [5, 4, 3]
        assert [entry.version for entry in store.versions(network, 9, after=3)] == [2, 1, 0]
        assert store.versions(network, 1)[0].summary == {"cost": 5 / 8}
        assert store.versions(network, 1)[0].created_at == store.network(network).updated_at

    # A write names what it replaces.

    def test_a_stale_write_changes_nothing(self, store: Store) -> None:
        network = create(store)
        commit(store, network, 1)
        with pytest.raises(StalePrecondition) as refused:
            commit(store, network, 1, key="late")
        assert refused.value.current == 1
        assert len(store.versions(network, 10)) == 2
        assert store.receipt(network, "late") is None

    def test_thirty_two_threads_and_one_winner(self, store: Store) -> None:
        network = create(store)
        for version in range(1, 9):
            outcomes = _together(32, lambda _, version=version: commit(store, network, version))
            assert outcomes.count(None) == 1
            assert [type(error) for error in outcomes if error] == [StalePrecondition] * 31
        assert [entry.version for entry in store.versions(network, 99)] == list(range(8, -1, -1))

    def test_a_key_is_applied_once(self, store: Store) -> None:
        network = create(store)
        commit(store, network, 1, key="once")
        with pytest.raises(IdempotencyMismatch):
            commit(store, network, 2, key="once")
        assert store.network(network).version == 1
        assert store.receipt(network, "once") == receipt(network, "once", 1)
        assert store.receipt(network, "other") is None
        assert store.receipt("another", "once") is None

    def test_one_key_from_thirty_two_threads_makes_one_network(self, store: Store) -> None:
        def attempt(number: int) -> None:
            now = timestamp()
            record = NetworkRecord(f"net_{number}", None, SPEC, 0, now, now)
            store.create_network(record, state(0), made(0), receipt("networks", "once", 0)).result()

        outcomes = _together(32, attempt)
        assert outcomes.count(None) == 1
        assert [type(error) for error in outcomes if error] == [IdempotencyMismatch] * 31
        assert len(store.networks(99)[0]) == 1

    def test_writes_that_share_a_commit_have_each_their_own_outcome(self, store: Store) -> None:
        networks = [create(store) for _ in range(40)]
        futures = [
            store.commit_version(network, number % 2, state(1 + number % 2), made(1 + number % 2))
            for number, network in enumerate(networks)
        ]
        outcomes = [future.exception() for future in futures]
        assert all(error is None for error in outcomes[::2])
        assert all(isinstance(error, StalePrecondition) for error in outcomes[1::2])
        assert [store.network(network).version for network in networks] == [1, 0] * 20

    def test_a_write_that_fails_takes_no_other_with_it(self, store: Store) -> None:
        networks = [create(store) for _ in range(9)]
        states = [NetworkState(np.array(["no number"], object)) if at == 4 else state(1) for at in range(9)]
        futures = [
            store.commit_version(network, 0, kept, made(1)) for network, kept in zip(networks, states, strict=True)
        ]
        outcomes = [future.exception() for future in futures]
        assert isinstance(outcomes.pop(4), TypeError)
        assert outcomes == [None] * 8
        assert [store.network(network).version for network in networks] == [1] * 4 + [0] + [1] * 4

    def test_a_reader_sees_one_whole_version_while_others_are_made(self, store: Store) -> None:
        network, done = create(store, size=5000), threading.Event()

        def read(_: int) -> None:
            while not done.is_set():
                kept = store.state(network)
                assert same(kept, state(int(kept.optimizer["step"]), 5000))

        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read, number) for number in range(3)]
            try:
                for version in range(1, 60):
                    commit(store, network, version, size=5000)
            finally:
                done.set()
            for reader in readers:
                reader.result()

    # What is unknown, and what has gone.

    def test_what_does_not_exist_is_not_found(self, store: Store) -> None:
        network = create(store)
        reads = (store.network, store.state, lambda name: store.versions(name, 1))
        for read in reads:
            with pytest.raises(NotFound):
                read("net_unknown")
        for version in (1, -1, 2**40):
            with pytest.raises(NotFound):
                store.state(network, version)
        writes = (
            lambda: store.commit_version("net_unknown", 0, state(1), made(1)),
            lambda: store.rename_network("net_unknown", None, timestamp()),
            lambda: store.delete_network("net_unknown"),
        )
        for write in writes:
            with pytest.raises(NotFound):
                write().result()

    def test_old_numbers_go_and_their_history_stays(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_versions=3)
        network = create(store)
        for version in range(1, 8):
            commit(store, network, version)
        assert [entry.retained for entry in store.versions(network, 99)] == [True] * 3 + [False] * 5
        assert same(store.state(network, 5), state(5))
        with pytest.raises(Gone):
            store.state(network, 4)
        store.close()

    def test_the_current_and_the_previous_version_stay_whatever_their_size(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_bytes=1)
        network = create(store)
        for version in range(1, 5):
            commit(store, network, version)
        assert [entry.retained for entry in store.versions(network, 99)] == [True, True, False, False, False]
        store.close()

    def test_retention_counts_bytes(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_bytes=5 * 8 * 10_000)
        network = create(store, size=10_000, optimizer=False)
        for version in range(1, 8):
            commit(store, network, version, size=10_000, optimizer=False)
        assert sum(entry.retained for entry in store.versions(network, 99)) == 4  # a header more than 80,000 bytes each
        store.close()

    def test_arrays_that_a_reader_holds_outlive_their_version(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_versions=2)
        network = create(store, size=20_000)
        held = store.state(network)
        for version in range(1, 12):
            commit(store, network, version, size=20_000)
        with pytest.raises(Gone):
            store.state(network, 0)
        assert same(held, state(0, 20_000))
        store.delete_network(network).result()
        other = create(store, size=20_000)
        commit(store, other, 1, size=20_000)
        assert same(held, state(0, 20_000))
        del held
        store.close()

    def test_deletion_takes_all_but_the_receipt_of_the_creation(self, store: Store) -> None:
        now, network, other = timestamp(), identity(), create(store)
        record = NetworkRecord(network, None, SPEC, 0, now, now)
        store.create_network(record, state(0), made(0), receipt("networks", "made", 0)).result()
        commit(store, network, 1, key="step")
        with pytest.raises(StalePrecondition):
            store.delete_network(network, expected=0).result()
        store.delete_network(network, expected=1).result()
        for read in (store.network, store.state, lambda name: store.versions(name, 1)):
            with pytest.raises(NotFound):
                read(network)
        assert store.receipt(network, "step") is None
        assert store.receipt("networks", "made") is not None
        assert same(store.state(other), state(0))

    def test_renaming_changes_the_name_alone(self, store: Store) -> None:
        network = create(store)
        commit(store, network, 1)
        at = timestamp()
        with pytest.raises(StalePrecondition):
            store.rename_network(network, "no", at, expected=0).result()
        before = store.network(network)
        store.rename_network(network, None, at, expected=1).result()
        assert store.network(network) == NetworkRecord(network, None, SPEC, 1, before.created_at, at)

    # Pages.

    def test_pages_follow_the_order_of_creation(self, store: Store) -> None:
        networks = [create(store) for _ in range(7)]
        store.delete_network(networks.pop(3)).result()
        seen: list[str] = []
        cursor: str | None = None
        for size in (2, 2, 2):
            page, cursor = store.networks(2, cursor)
            assert len(page) == size
            seen += [record.id for record in page]
        assert (seen, cursor) == (networks, None)

    @pytest.mark.parametrize("cursor", ["", "x", "-1", "1.0", "9" * 30, "\u0661"])
    def test_a_made_up_cursor_is_refused(self, store: Store, cursor: str) -> None:
        with pytest.raises(InvalidInput):
            store.networks(5, cursor)

    # It lasts.

    def test_what_is_closed_and_opened_is_the_same(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        networks = [create(store) for _ in range(3)]
        for version in range(1, 5):
            commit(store, networks[1], version, key=f"k{version}")

        def everything() -> list[Any]:
            records = list(store.networks(9)[0])
            return [records, list(store.versions(networks[1], 9)), store.receipt(networks[1], "k2")]

        before = everything()
        store.close()
        store = self.open(tmp_path)
        assert everything() == before
        assert all(same(store.state(networks[1], version), state(version)) for version in range(5))
        commit(store, networks[1], 5)
        store.close()

    def test_a_second_owner_is_refused_and_told_who_the_first_is(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        with pytest.raises(StorageUnavailable, match=str(os.getpid())):
            self.open(tmp_path)
        store.close()
        self.open(tmp_path).close()

    @pytest.mark.parametrize("acknowledged", [1, 40])
    def test_every_acknowledged_version_survives_kill_9(self, tmp_path: Path, acknowledged: int) -> None:
        command = [sys.executable, "-m", "tests.contracts.writing", self.name, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            network = process.stdout.readline().strip()
            answered = [int(process.stdout.readline()) for _ in range(acknowledged)]
            process.send_signal(signal.SIGKILL)
            answered += [int(line) for line in process.stdout if line.endswith("\n")]
        store = self.open(tmp_path)
        current = store.network(network).version
        assert answered[-1] <= current <= answered[-1] + 1
        for version in range(current + 1):
            assert same(store.state(network, version), state(version))
        for version in range(1, current + 1):
            assert store.receipt(network, f"key-{version}") == receipt(network, f"key-{version}", version)
        commit(store, network, current + 1)
        store.close()

    @pytest.mark.parametrize("place", [0, 1234, 7999])
    def test_a_flipped_byte_is_found_and_named(self, tmp_path: Path, place: int) -> None:
        store = self.open(tmp_path)
        network = create(store)
        numbers = np.random.default_rng(5).random(1000)
        store.commit_version(network, 0, NetworkState(numbers), made(1)).result()
        store.close()
        _flip(tmp_path, numbers.tobytes(), place)
        store = self.open(tmp_path)
        with pytest.raises(CorruptState, match=network):
            store.state(network)
        store.close()

    # The store itself.

    def test_a_probe_writes_and_usage_counts(self, store: Store) -> None:
        empty = store.usage()
        create(store, size=100_000)
        store.probe().result(30)
        full = store.usage()
        assert (empty.networks, full.networks) == (0, 1)
        assert full.bytes_used >= empty.bytes_used + 800_000
        assert full.bytes_free > 0
        assert store.description

    def test_a_closed_store_refuses(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        network = create(store)
        store.close()
        store.close()
        for write in (store.probe, lambda: store.commit_version(network, 0, state(1), made(1))):
            with pytest.raises(StorageUnavailable):
                write().result(5)
        with pytest.raises(StorageUnavailable):
            store.network(network)

    def test_what_is_queued_when_it_closes_is_kept(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        networks = [create(store) for _ in range(10)]
        futures = [store.commit_version(network, 0, state(1), made(1)) for network in networks]
        store.close()
        assert [future.exception(0) for future in futures] == [None] * 10
        store = self.open(tmp_path)
        assert [store.network(network).version for network in networks] == [1] * 10
        store.close()


def _together(count: int, attempt: Any) -> list[ServiceError | None]:
    """What each of `count` threads met that began at the same moment."""
    start = threading.Barrier(count)

    def one(number: int) -> ServiceError | None:
        start.wait()
        try:
            attempt(number)
        except ServiceError as error:
            return error
        return None

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def _flip(folder: Path, numbers: bytes, place: int) -> None:
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
