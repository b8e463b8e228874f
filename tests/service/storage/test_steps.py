"""Versions kept as steps, for those who look at a store at rest or copy it: the doctor, the list of chains, a backup."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.errors import StorageUnavailable
from service.storage.backup import copy_store
from service.storage.base import NetworkState
from service.storage.chains import chains
from service.storage.digests import digest_of
from service.storage.doctor import examine
from tests.contracts import stores
from tests.contracts.drawings import commit, create, state, step, take
from tests.contracts.store_checkpoints import name
from tests.contracts.store_steps import alike, leads
from tests.service.storage.test_doctor import digests, edited


@pytest.fixture(params=["inline", "slots"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A network with versions 0 and 4 whole and named, steps from both, and one that was never stepped."""
    store = getattr(stores, request.param)(tmp_path / "data", keep_versions=4)
    network = create(store, "net_steps")
    for version in range(1, 4):
        take(store, network, version)
    commit(store, network, 4)
    for version in (5, 6):
        take(store, network, version)
    name(store, network, "four", 4)
    create(store, "net_still")
    store.close()
    return tmp_path / "data"


def test_steps_are_looked_at_like_numbers_and_nothing_is_written(data: Path) -> None:
    before = digests(data)
    report = examine(data)
    assert (report.faults, report.networks, report.pieces) == ([], 2, 8)
    assert report.numerics == [{"drawn": "1"}]
    assert [(record.id, record.version) for record, _ in chains(data)] == [("net_steps", 3), ("net_steps", 6)]
    (_, old), (_, new) = chains(data)
    assert all(map(alike, old.steps, map(step, (1, 2, 3))))
    assert leads(new, 4, 6)
    assert digests(data) == before
    store = stores.inline(data)
    with pytest.raises(StorageUnavailable, match="in use"):
        list(chains(data))
    store.close()


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM snapshots WHERE version = 5", "what the step to version 6 of network net_steps starts from"),
        ("UPDATE snapshots SET recorded = 1 WHERE version = 4", "version 4 of network net_steps has a name and is not"),
        (
            "UPDATE snapshots SET recorded = 0 WHERE version = 6",
            "version 6 of network net_steps are in a form",
        ),
        (
            "UPDATE snapshots SET digest = zeroblob(16) WHERE version = 2",
            "version 2 of network net_steps are not the ones",
        ),
    ],
)
def test_steps_that_lead_nowhere(data: Path, statement: str, fault: str) -> None:
    with edited(data) as connection:
        connection.execute(statement)
    assert any(fault in found for found in examine(data).faults)


def test_a_backup_has_the_steps(data: Path, tmp_path: Path) -> None:
    assert copy_store(data, tmp_path / "copy").faults == []
    store = stores.inline(tmp_path / "copy", keep_versions=4)
    assert leads(store.trail("net_steps"), 4, 6)
    take(store, "net_steps", 7)
    assert leads(store.trail("net_steps"), 4, 7)
    store.close()


def test_a_digest_is_of_everything_and_of_nothing_else() -> None:
    numbers, kept = state(3).parameters, dict(state(3).optimizer)
    exchanged = {"velocity": kept["velocity"], "step": kept["scale"], "scale": kept["step"]}
    others = [
        NetworkState(numbers),
        NetworkState(numbers, "adam", kept),
        NetworkState(numbers.astype("float32"), "sgd", kept),
        NetworkState(numbers.reshape(2, -1), "sgd", kept),
        NetworkState(-numbers, "sgd", kept),
        NetworkState(numbers, "sgd", {**kept, "step": np.array(4, "int64")}),
        NetworkState(numbers, "sgd", exchanged),
        NetworkState(np.where(numbers == 3000, -0.0, numbers), "sgd", kept),
    ]
    assert len({digest_of(one) for one in [state(3), *others]}) == 1 + len(others)
    elsewhere = NetworkState(numbers[::-1].copy()[::-1], "sgd", dict(reversed(kept.items())))
    assert digest_of(elsewhere) == digest_of(state(3))
