"""Stores of every released form open with this code: what they held is there, and can be gone on with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from service.errors import Gone, NotFound
from service.storage.backup import copy_store
from service.storage.connections import open_reader
from service.storage.doctor import examine
from service.storage.schema import MIGRATIONS
from tests.contracts import stores
from tests.contracts.drawings import SPEC, commit, receipt, same, state, take
from tests.contracts.store_checkpoints import name
from tests.contracts.store_steps import leads
from tests.service.storage.released.making import AT, DELETED, KILLED, ROWS, SLOTS, STEPS, STEPS_SINCE

RELEASED = Path(__file__).with_name("released")
FORMS = sorted(path.name for path in RELEASED.glob("form-*"))
assert FORMS


@pytest.fixture(params=FORMS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shutil.copytree(RELEASED / request.param, tmp_path / "data")
    return tmp_path / "data"


def form_of(folder: Path) -> int:
    connection = open_reader(folder / "gradwire.db")
    try:
        return int(connection.pragma("user_version"))
    finally:
        connection.close()


def test_released_steps_lead_where_they_led(folder: Path) -> None:
    if form_of(folder) < STEPS_SINCE:
        store = stores.inline(folder)
        with pytest.raises(NotFound):
            store.trail(STEPS)
        store.close()
        return
    store = stores.inline(folder)
    assert leads(store.trail(STEPS, 2), 0, 2)
    assert leads(store.trail(STEPS), 3, 4)
    assert store.receipt(STEPS, "key-4") == receipt(STEPS, "key-4", 4)
    take(store, STEPS, 5)
    assert leads(store.trail(STEPS), 3, 5)
    store.close()
    assert examine(folder).faults == []


@pytest.mark.parametrize("form", FORMS)
def test_the_folder_is_named_by_the_form(form: str, tmp_path: Path) -> None:
    shutil.copytree(RELEASED / form, tmp_path / "data")
    assert form == f"form-{form_of(tmp_path / 'data')}"


def test_a_released_store_opens_with_all_that_it_held(folder: Path) -> None:
    before = form_of(folder)
    store = stores.inline(folder, keep_versions=3)
    assert form_of(folder) == len(MIGRATIONS) >= before
    records = {record.id: record for record in store.networks(9)[0]}
    assert (records.pop(STEPS, None) is not None) == (before >= STEPS_SINCE)
    assert list(records) == [ROWS, SLOTS, KILLED]
    assert {network: record.version for network, record in records.items()} == {ROWS: 6, SLOTS: 2, KILLED: 1}
    for network, record in records.items():
        assert (record.name, record.spec, record.created_at) == (f"{network} ❄", SPEC, AT)
        retained = {entry.version for entry in store.versions(network, 99) if entry.retained}
        assert retained == set(range(max(0, record.version - 2), record.version + 1))
        for version in retained:
            assert same(store.state(network, version), state(version, optimizer=network != SLOTS or version == 0))
        for version in range(1, record.version + 1):
            assert store.receipt(network, f"key-{version}") == receipt(network, f"key-{version}", version)
    for network in (ROWS, SLOTS, KILLED, DELETED):
        assert store.receipt("networks", f"made-{network}") == receipt("networks", f"made-{network}", 0)
    with pytest.raises(NotFound):
        store.network(DELETED)
    with pytest.raises(Gone):
        store.state(ROWS, 3)
    store.close()
    assert examine(folder).faults == []


def test_a_released_store_is_gone_on_with(folder: Path) -> None:
    store = stores.inline(folder, keep_versions=3)
    for network, version in ((ROWS, 6), (SLOTS, 2), (KILLED, 1)):
        name(store, network, "as released", version)
        for following in range(version + 1, version + 6):
            commit(store, network, following, key=f"new-{following}")
        assert same(store.state(network, version), state(version, optimizer=network != SLOTS))
    store.close()
    store = stores.inline(folder, keep_versions=3)
    gone_on = {record.id: record.version for record in store.networks(9)[0] if record.id != STEPS}
    assert gone_on == {ROWS: 11, SLOTS: 7, KILLED: 6}
    store.close()


def test_a_released_store_is_examined_and_copied_as_it_is(folder: Path, tmp_path: Path) -> None:
    before = form_of(folder)
    assert examine(folder).faults == []
    assert form_of(folder) == before
    assert copy_store(folder, tmp_path / "copy").faults == []
    assert form_of(tmp_path / "copy") == before
    store = stores.inline(tmp_path / "copy")
    assert {record.id for record in store.networks(9)[0]} - {STEPS} == {ROWS, SLOTS, KILLED}
    store.close()
