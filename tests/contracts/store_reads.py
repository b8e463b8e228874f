"""The contract of a store, part two: what is read, what is unknown, what has gone, and pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.errors import (
    Gone,
    InvalidInput,
    NotFound,
    StalePrecondition,
)
from service.storage.base import CheckpointRecord, NetworkRecord, NetworkState, Store, VersionRecord, timestamp
from tests.contracts.drawings import SPEC, commit, create, identity, made, receipt, same, state
from tests.contracts.store_base import StoreBase


class Reads(StoreBase):
    """Reads, names and retention."""

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("optimizer", [True, False])
    def test_what_is_created_is_read_to_the_bit(self, store: Store, dtype: str, optimizer: bool) -> None:
        now = timestamp()
        record = NetworkRecord(identity(), "snow ❄", SPEC, 0, now, now)
        wanted = state(0, 1000, dtype, optimizer=optimizer)
        store.create_network(record, wanted, VersionRecord(0, "create", now)).result()
        assert store.network(record.id) == record
        assert same(store.state(record.id), wanted)
        listed = store.versions(record.id, 10)
        assert listed == [VersionRecord(0, "create", now, stored_bytes=store.stored_bytes(record.id))]
        assert store.stored_bytes(record.id) >= wanted.nbytes

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
        sizes = [entry.stored_bytes for entry in store.versions(network, 99)]
        assert all(size >= state(0).nbytes for size in sizes[:3])
        assert (sizes[3:], sum(sizes)) == ([0] * 5, store.stored_bytes(network))
        store.close()

    def test_the_oldest_entries_and_receipts_go_once_in_a_while(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, keep_versions=2, keep_history=100, keep_receipts=50)
        network = create(store)
        store.create_checkpoint(network, CheckpointRecord("start", 0, timestamp())).result(30)
        for version in range(1, 301):
            commit(store, network, version, key=f"key-{version}")
        listed = [entry.version for entry in store.versions(network, 999)]
        assert listed[:-1] == list(range(300, listed[-2] - 1, -1))
        assert listed[-1] == 0, "a named version does not leave the list"
        assert 100 <= len(listed) - 1 < 100 + 256
        receipts = [version for version in range(1, 301) if store.receipt(network, f"key-{version}") is not None]
        assert receipts == list(range(receipts[0], 301))
        assert 50 <= len(receipts) < 50 + 256
        with pytest.raises(Gone):
            store.state(network, 5)
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

    def test_a_page_of_one_owner(self, store: Store) -> None:
        def made_by(owner: str) -> str:
            network, now = identity(), timestamp()
            record = NetworkRecord(network, None, SPEC, 0, now, now, owner)
            store.create_network(record, state(0), made(0)).result()
            assert store.network(network) == record
            return network

        mine, other, nobodys = [made_by("me"), made_by("you"), create(store)]
        mine_too = made_by("me")
        page, cursor = store.networks(1, owner="me")
        assert [record.id for record in page] == [mine]
        page, cursor = store.networks(1, cursor, "me")
        assert ([record.id for record in page], cursor) == ([mine_too], None)
        assert [record.id for record in store.networks(9, owner="")[0]] == [nobodys]
        assert [record.id for record in store.networks(9)[0]] == [mine, other, nobodys, mine_too]
        assert [store.count(owner) for owner in ("me", "you", "", "none")] == [2, 1, 1, 0]

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
