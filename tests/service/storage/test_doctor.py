"""The doctor finds every kind of damage that we can make, says what it is, and changes nothing."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
import xxhash

from service.errors import StorageUnavailable
from service.storage.connections import open_reader, open_writer
from service.storage.doctor import examine
from service.storage.journal.arena import is_cell, place_of
from service.storage.journal.frames import PAGE
from tests.contracts import stores
from tests.contracts.drawings import commit, create
from tests.contracts.store_checkpoints import name


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with a network in rows and the journal and one in slots, retired versions, names and receipts."""
    folder = tmp_path_factory.mktemp("sound") / "data"
    for form, network in ((stores.inline, "net_rows"), (stores.slots, "net_slots")):
        store = form(folder, keep_versions=3)
        create(store, network, size=300)
        name(store, network, "start", 0)
        for version in range(1, 7):
            commit(store, network, version, key=f"key-{version}", size=300)
        store.close()
    return folder


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "data")
    return tmp_path / "data"


def digests(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): xxhash.xxh3_128(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".db-shm"
    }


@contextmanager
def edited(folder: Path) -> Iterator[apsw.Connection]:
    """Rows changed behind the store's back, in pages whose checksums are right."""
    connection = open_writer(folder / "gradwire.db")
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    yield connection
    connection.close()


def test_a_sound_store(data: Path) -> None:
    before = digests(data)
    report = examine(data)
    assert report.faults == []
    assert (report.networks, report.pieces) == (2, 8)
    assert report.nbytes > 8 * 300 * 8
    assert report.summary().startswith(f"{data} is sound: 2 networks, 8 digests")
    assert digests(data) == before
    stores.inline(data).close()


def test_free_slots_and_strange_files_are_only_noted(data: Path) -> None:
    (data / "slots" / "notes.txt").write_text("mine")
    (data / "slots" / "00000099.slot").write_bytes(bytes(65536))
    report = examine(data)
    assert report.faults == []
    assert "slots/notes.txt is no file of the store" in report.notes
    assert any("free slot files" in note for note in report.notes)


def held(folder: Path, name: str) -> list[tuple[Path, int, int]]:
    """Places in which every byte counts: a file, where in it, and how many."""
    database = folder / "gradwire.db"
    if name == "gradwire.db":
        return [(database, 0, database.stat().st_size)]
    rows = _query(folder, "SELECT slot, nbytes FROM snapshots WHERE slot IS NOT NULL")
    if name == "slots":
        return [(folder / "slots" / f"{slot:08d}.slot", 0, nbytes) for slot, nbytes in rows if not is_cell(slot)]
    cells = [((1 + place_of(slot)[0]) * PAGE, nbytes) for slot, nbytes in rows if is_cell(slot)]
    return [(folder / "journal", 0, PAGE), *((folder / "journal", offset, nbytes) for offset, nbytes in cells)]


@pytest.mark.parametrize("name", ["gradwire.db", "slots", "journal"])
def test_a_flipped_bit_anywhere_is_found(data: Path, name: str) -> None:
    drawn = random.Random(7)
    places = held(data, name)
    assert len(places) == {"gradwire.db": 1, "slots": 4, "journal": 4}[name]
    for _ in range(60):
        path, offset, nbytes = drawn.choice(places)
        was = path.read_bytes()
        place = offset + drawn.randrange(nbytes)
        path.write_bytes(was[:place] + bytes([was[place] ^ 1 << drawn.randrange(8)]) + was[place + 1 :])
        before = digests(data)
        try:
            faults = examine(data).faults
        except StorageUnavailable as error:
            faults = [str(error)]  # the number of the form, or whose database it is
        assert faults, (path, place)
        assert digests(data) == before
        path.write_bytes(was)
    assert examine(data).faults == []


def test_a_damaged_slot_is_named(data: Path) -> None:
    (slot,) = _query(
        data, "SELECT slot FROM snapshots JOIN networks ON ordinal = network WHERE id = 'net_slots' AND version = 5"
    )
    path = data / "slots" / f"{slot[0]:08d}.slot"
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    (fault,) = examine(data).faults
    assert "version 5 of network net_slots" in fault
    assert "digest" in fault
    path.write_bytes(path.read_bytes()[:100])
    (fault,) = examine(data).faults
    assert "version 5 of network net_slots cannot be read" in fault
    path.unlink()
    (fault,) = examine(data).faults
    assert f"version 5 of network net_slots cannot be read from {path.name}" in fault


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM heads WHERE network = 1", "network net_rows has no current version"),
        (
            "UPDATE heads SET version = 99 WHERE network = 1",
            "version 99 of network net_rows, its current one, are missing",
        ),
        (
            "UPDATE heads SET version = 5 WHERE network = 1",
            "version 6 of network net_rows is newer than its current one",
        ),
        ("DELETE FROM versions WHERE network = 1 AND version = 6", "is missing from its list"),
        ("DELETE FROM snapshots WHERE network = 1 AND version = 0", "belongs to a row of snapshots that is not there"),
        ("DELETE FROM networks WHERE ordinal = 2", "belongs to a row of networks that is not there"),
        ("DELETE FROM contents", "the bytes of version 0 of network net_rows are missing"),
        ("INSERT INTO contents (bytes) VALUES (x'00')", "holds numbers of no version"),
        ("UPDATE contents SET bytes = x'00' WHERE id = 1", "version 0 of network net_rows"),
        (
            "UPDATE snapshots SET digest = zeroblob(16) WHERE version = 6 AND network = 2",
            "version 6 of network net_slots",
        ),
        ("UPDATE networks SET spec = '{'", "the description of network net_slots is no JSON"),
        (
            "UPDATE versions SET summary = '{' WHERE version = 4",
            "the summary of version 4 of network net_rows is no JSON",
        ),
        ("UPDATE receipts SET body = '{' WHERE key = 'key-2'", "the receipt 'key-2' of net_rows is no JSON"),
    ],
)
def test_rows_that_contradict_each_other(data: Path, statement: str, fault: str) -> None:
    with edited(data) as connection:
        connection.execute(statement)
    before = digests(data)
    report = examine(data)
    assert any(fault in found for found in report.faults), report.faults
    assert "nothing was changed" in report.summary()
    assert digests(data) == before


def test_many_faults_of_a_kind_are_counted(data: Path) -> None:
    with edited(data) as connection:
        for _ in range(80):
            connection.execute("INSERT INTO contents (bytes) VALUES (x'00')")
    assert examine(data).faults[-1] == "and 30 more of these"


def test_numbers_in_the_wrong_place_are_found(data: Path) -> None:
    with edited(data) as connection:
        connection.execute("DROP INDEX one_snapshot_a_slot")
        rows = connection.execute("SELECT version, digest, slot FROM snapshots WHERE network = 1 AND version > 4")
        for version, digest, slot in rows.fetchall():
            other = 11 - version
            connection.execute(
                "UPDATE snapshots SET digest = ?, slot = ? WHERE network = 1 AND version = ?", (digest, slot, other)
            )
    faults = examine(data).faults
    assert [fault for fault in faults if fault.startswith("in place of version")] == faults
    assert len(faults) == 2


def test_what_cannot_be_examined(data: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="there is no store"):
        examine(tmp_path / "elsewhere")
    store = stores.inline(data)
    with pytest.raises(StorageUnavailable, match="in use by process"):
        examine(data)
    store.close()
    with edited(data) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageUnavailable, match="newer release"):
        examine(data)


def _query(folder: Path, query: str) -> list[tuple[int, ...]]:
    connection = open_reader(folder / "gradwire.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
