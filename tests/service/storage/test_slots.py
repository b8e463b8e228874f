"""Slot files are used again, never while somebody needs them, and never without bound."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from service.errors import CorruptState, Gone
from service.storage.encoding import decode, encode
from service.storage.slots import Slots
from tests.contracts import stores
from tests.contracts.drawings import commit, create, made, same, state

SPARE = 2**20


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(tmp_path, {}, SPARE)


def put(slots: Slots, version: int, size: int = 1000) -> int:
    return slots.write(encode(state(version, size), "net", version), ("net", version))


def test_what_is_written_is_read(slots: Slots) -> None:
    encoded = encode(state(1), "net", 1)
    number = slots.write(encoded, ("net", 1))
    data = slots.read(number, ("net", 1), encoded.nbytes)
    assert data is not None
    assert same(decode(data, encoded.digest, "net", 1), state(1))


def test_a_slot_of_another_owner_is_not_read(slots: Slots) -> None:
    number = put(slots, 1)
    assert slots.read(number, ("net", 2), 64) is None
    assert slots.read(number + 1, ("net", 1), 64) is None
    slots.release([number])
    assert slots.read(number, ("net", 1), 64) is None


def test_a_released_slot_is_used_again_and_a_held_one_is_not(slots: Slots) -> None:
    first = put(slots, 1)
    held = slots.read(first, ("net", 1), 640)
    assert held is not None
    before = bytes(held)
    slots.release([first])
    second = put(slots, 2)
    assert second != first
    assert bytes(held) == before
    del held
    gc.collect()
    assert put(slots, 3) == first


def test_a_part_of_what_was_read_holds_the_slot_too(slots: Slots) -> None:
    encoded = encode(state(1), "net", 1)
    number = slots.write(encoded, ("net", 1))
    data = slots.read(number, ("net", 1), encoded.nbytes)
    assert data is not None
    part = decode(data, encoded.digest, "net", 1).parameters[3:5]
    del data
    gc.collect()
    slots.release([number])
    assert put(slots, 2) != number
    assert part.tolist() == [1003, 1004]


def test_a_slot_is_not_wasted_on_something_much_smaller(slots: Slots) -> None:
    large = put(slots, 1, 100_000)
    slots.release([large])
    assert put(slots, 2, 10) != large


def test_free_slots_are_bounded(tmp_path: Path, slots: Slots) -> None:
    numbers = [put(slots, version, 10_000) for version in range(40)]
    slots.release(numbers)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.slot")) <= SPARE


def test_at_start_the_rows_say_what_is_free(tmp_path: Path, slots: Slots) -> None:
    first, second = put(slots, 1), put(slots, 2)
    again = Slots(tmp_path, {second: ("net", 2)}, SPARE)
    assert put(again, 3) == first
    assert put(again, 4) not in {first, second}


@pytest.mark.parametrize("size", [None, 0, 100])
def test_a_lost_or_cut_slot_is_damage(tmp_path: Path, size: int | None) -> None:
    store = stores.slots(tmp_path)
    network = create(store)
    commit(store, network, 1)
    slot = sorted((tmp_path / "slots").iterdir())[1]
    store.close()
    slot.unlink() if size is None else slot.write_bytes(slot.read_bytes()[:size])
    store = stores.slots(tmp_path)
    with pytest.raises(CorruptState, match=network):
        store.state(network)
    assert same(store.state(network, 0), state(0))
    store.close()


def test_steps_in_turn_use_few_slots(tmp_path: Path) -> None:
    store = stores.slots(tmp_path, keep_bytes=0)
    network = create(store, size=50_000)
    for version in range(1, 60):
        commit(store, network, version, size=50_000)
    assert len(list((tmp_path / "slots").iterdir())) <= 4
    with pytest.raises(Gone):
        store.state(network, 3)
    store.delete_network(network).result()
    store.close()


def test_a_refused_write_gives_its_slot_back(tmp_path: Path) -> None:
    store = stores.slots(tmp_path)
    network = create(store)
    for _ in range(20):
        assert store.commit_version(network, 5, state(6), made(6)).exception(30) is not None
    assert len(list((tmp_path / "slots").iterdir())) == 2
    store.close()


@pytest.mark.parametrize("before", [False, True])
def test_a_slot_that_is_given_up_while_bytes_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    store = stores.slots(tmp_path)
    used = store.usage().bytes_used
    (tmp_path / "slots" / "99999999.slot").write_bytes(bytes(1000))
    stat = Path.stat

    def stat_of_what_goes(path: Path, **options: bool) -> os.stat_result:
        if path.stem != "99999999":
            return stat(path, **options)
        if before:
            path.unlink()
        found = stat(path, **options)
        path.unlink()
        return found

    monkeypatch.setattr(Path, "stat", stat_of_what_goes)
    assert store.usage().bytes_used == used + (0 if before else 1000)
    store.close()
