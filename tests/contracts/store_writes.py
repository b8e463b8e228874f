"""The contract of a store, part one: a write names what it replaces, is applied once and stands or falls alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from service.errors import (
    IdempotencyMismatch,
    ServiceError,
    StalePrecondition,
)
from service.storage.base import NetworkRecord, NetworkState, Store, timestamp
from tests.contracts.drawings import SIZE, SPEC, commit, create, made, receipt, same, state
from tests.contracts.store_base import StoreBase


class Writes(StoreBase):
    """Writes, one and many."""

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

    def test_versions_that_are_handed_over_at_once_follow_each_other(self, store: Store) -> None:
        network = create(store)
        sizes = [SIZE if version % 3 else 200_000 for version in range(1, 41)]  # some take longer to be written
        futures = [
            store.commit_version(
                network, version - 1, state(version, size), made(version), receipt(network, f"k{version}", version)
            )
            for version, size in enumerate(sizes, 1)
        ]
        ended: list[int] = []
        for version, future in enumerate(futures, 1):
            future.add_done_callback(lambda _, version=version: ended.append(version))
        assert [future.exception(60) for future in futures] == [None] * 40
        assert ended == sorted(ended)
        assert store.network(network).version == 40
        assert [entry.version for entry in store.versions(network, 99)] == list(range(40, -1, -1))
        assert same(store.state(network), state(40, sizes[-1]))
        assert store.receipt(network, "k17") == receipt(network, "k17", 17)

    @pytest.mark.parametrize("size", [SIZE, 200_000])
    def test_what_follows_a_version_that_failed_is_refused_after_it(self, store: Store, size: int) -> None:
        network, other = create(store), create(store)
        ended: list[int] = []
        futures = []
        for version in range(1, 8):
            kept = NetworkState(np.array(["no number"] * size, object)) if version == 4 else state(version, size)
            futures.append(store.commit_version(network, version - 1, kept, made(version)))
            futures[-1].add_done_callback(lambda _, version=version: ended.append(version))
        commit(store, other, 1)
        outcomes = [future.exception(60) for future in futures]
        assert outcomes[:3] == [None] * 3
        assert isinstance(outcomes[3], TypeError)
        assert [type(error) for error in outcomes[4:]] == [StalePrecondition] * 3
        assert [version for version in ended if version > 3] == [4, 5, 6, 7]
        assert store.network(network).version == 3
        commit(store, network, 4)
        assert same(store.state(network), state(4))

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
