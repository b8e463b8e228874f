"""The contract of a store, part three: it survives closing, killing and damage, and says what it cannot do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.errors import (
    CorruptState,
    StorageUnavailable,
)
from service.storage.base import NetworkState, Store
from tests.contracts.drawings import commit, create, flip, made, receipt, same, state
from tests.contracts.store_base import StoreBase

ROOT = Path(__file__).parents[2]


class Lasts(StoreBase):
    """What is still there later."""

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
        flip(tmp_path, numbers.tobytes(), place)
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
