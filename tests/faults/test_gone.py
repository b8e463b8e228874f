"""A disk that is gone from one moment to the next: the store that writes to it stops, and what it held is there again later."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import StorageUnavailable
from tests.contracts import stores
from tests.contracts.drawings import commit, create, made, same, state
from tests.faults.disk import disk
from tests.faults.machine import needs_power_loss

pytestmark = [needs_power_loss, pytest.mark.slow]

SIZE = 5000


@pytest.mark.parametrize("name", ["inline", "slots"])
@pytest.mark.parametrize("write", ["commit", "delete"])
@pytest.mark.parametrize("again", [False, True], ids=["the pages are in memory", "the pages must be read"])
def test_a_store_whose_disk_is_gone_stops(place: Path, name: str, again: bool, write: str) -> None:
    with disk(place, 32) as drive:
        reasons: list[str] = []
        store = getattr(stores, name)(drive.mount / "data", keep_versions=3, fatal=reasons.append)
        network, other = create(store, size=SIZE), create(store, size=SIZE)
        for version in range(1, 7):
            commit(store, network, version, size=SIZE)
        if again:
            store.close()
            store = getattr(stores, name)(drive.mount / "data", keep_versions=3, fatal=reasons.append)
        drive.lose_power()
        if write == "commit":
            outcome = store.commit_version(network, 6, state(7, SIZE), made(7)).exception(30)
        else:
            outcome = store.delete_network(other).exception(30)
        store.close()
        assert isinstance(outcome, StorageUnavailable)
        assert len(reasons) == 1
        drive.restart()
        store = getattr(stores, name)(drive.mount / "data", keep_versions=3)
        assert store.network(network).version == 6
        assert same(store.state(network), state(6, SIZE))
        store.close()
