"""A backup is one moment of the store, whole and sound, however fast the store changes."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from service.errors import CorruptState, StorageUnavailable
from service.storage import backup
from service.storage.backup import copy_store
from service.storage.connections import open_reader
from service.storage.doctor import examine
from tests.contracts import stores
from tests.contracts.drawings import commit, create, receipt, same, state
from tests.contracts.store_checkpoints import name
from tests.service.storage.strace import ROOT

STORES = ["inline", "slots"]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", STORES)
def test_a_backup_of_an_open_store_is_all_of_it(tmp_path: Path, form: str) -> None:
    store = getattr(stores, form)(tmp_path / "data", keep_versions=3)
    network = create(store)
    made = name(store, network, "start", 0)
    for version in range(1, 6):
        commit(store, network, version, key=f"key-{version}")
    (tmp_path / "data" / "keys.json").write_text("{}")
    store.probe().result(30)  # all of it is in rows
    report = copy_store(tmp_path / "data", tmp_path / "copy")
    assert (report.faults, report.networks, report.pieces) == ([], 1, 4)
    commit(store, network, 6)
    store.close()
    slots = {path for path in files(tmp_path / "copy") if path.startswith("slots/")}
    journal = {"journal"} if form == "inline" else set()
    assert files(tmp_path / "copy") - slots == {"gradwire.db", "keys.json", *journal}, "a database that needs no log"
    assert len(slots) == (4 if form == "slots" else 0)
    copy_store(tmp_path / "copy", tmp_path / "restored")
    store = getattr(stores, form)(tmp_path / "restored", keep_versions=3)
    assert store.network(network).version == 5
    assert all(same(store.state(network, version), state(version)) for version in (0, 3, 4, 5))
    assert store.checkpoints(network) == [made]
    assert store.receipt(network, "key-3") == receipt(network, "key-3", 3)
    commit(store, network, 6)
    store.close()


@pytest.mark.parametrize("form", STORES)
def test_backups_while_a_process_writes_as_fast_as_it_can(tmp_path: Path, form: str) -> None:
    """The other process keeps few versions, so that its slots are overwritten all the time."""
    script = """
import sys
from pathlib import Path
from service.storage.base import timestamp
from tests.contracts import stores
from tests.contracts.drawings import commit, create
store = getattr(stores, sys.argv[1])(Path(sys.argv[2]), keep_versions=2, keep_bytes=1)
for network in ("net_a", "net_b"):
    create(store, network, size=40_000)
version = 0
while True:
    version += 1
    for network in ("net_a", "net_b"):
        commit(store, network, version, key=f"key-{version}", size=40_000)
    store.rename_network("net_a", str(version), timestamp()).result(30)
    commit(store, create(store), 1)
    print(version, flush=True)
"""
    command = [sys.executable, "-c", script, form, str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        answered = [int(process.stdout.readline())]
        drain = threading.Thread(target=lambda out: answered.extend(map(int, out)), args=(process.stdout,))
        drain.start()
        try:
            seen = []
            for number in range(6):
                before = answered[-1]
                copy_store(tmp_path / "data", tmp_path / f"copy-{number}")
                seen.append((before, number))
        finally:
            process.kill()
            drain.join()
    assert answered[-1] > 6
    for before, number in seen:
        store = getattr(stores, form)(tmp_path / f"copy-{number}")
        versions = [store.network(network).version for network in ("net_a", "net_b")]
        assert before <= versions[1] <= versions[0] <= versions[1] + 1, "one moment, and what was answered is in it"
        named = {versions[1]} if versions[0] > versions[1] else {versions[1] - 1, versions[1]}
        assert store.network("net_a").name in {str(version) for version in named}, "in the order of arrival"
        for network, current in zip(("net_a", "net_b"), versions, strict=True):
            for version in (current, current - 1):
                assert same(store.state(network, version), state(version, 40_000))
            assert store.receipt(network, f"key-{current}") is not None
        store.close()
    assert examine(tmp_path / "data").faults == [], "and the backups did the store no harm"


def test_a_slot_that_another_process_has_locked_is_not_overwritten(tmp_path: Path) -> None:
    store = stores.slots(tmp_path, keep_versions=2, spare_bytes=2**20)
    network = create(store)
    commit(store, network, 1)
    held = {path: path.read_bytes() for path in (tmp_path / "slots").iterdir()}
    assert len(held) == 2
    locks = [path.open("rb") for path in held]
    for file in locks:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    for version in range(2, 8):
        commit(store, network, version)
        assert same(store.state(network), state(version))
    assert {path: path.read_bytes() for path in held} == held
    for file in locks:
        file.close()
    before = len(list((tmp_path / "slots").iterdir()))
    for version in range(8, 20):
        commit(store, network, version)
    assert len(list((tmp_path / "slots").iterdir())) == before, "they are used again"
    assert any(path.read_bytes() != was for path, was in held.items())
    store.close()


def test_a_slot_that_is_overwritten_before_it_is_locked_means_another_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores.slots(tmp_path / "data", keep_versions=2)
    network = create(store)
    commit(store, network, 1)
    attempts = []
    real = backup._locked

    def late(slots: Path, piece: backup.Piece, held: backup.ExitStack) -> object:
        """Between the rows and the lock, the store goes on."""
        if len(attempts) < 3:
            attempts.append(piece)
            version = store.network(network).version
            for following in range(version + 1, version + 4):
                commit(store, network, following)
        return real(slots, piece, held)

    monkeypatch.setattr(backup, "_locked", late)
    copy_store(tmp_path / "data", tmp_path / "copy")
    assert len(attempts) == 3
    store.close()
    copy = stores.slots(tmp_path / "copy")
    assert same(copy.state(network), state(copy.network(network).version))
    copy.close()


@pytest.mark.parametrize("form", STORES)
def test_a_damaged_store_has_no_backup(tmp_path: Path, form: str) -> None:
    store = getattr(stores, form)(tmp_path / "data")
    network = create(store, size=3000)
    store.close()
    place = tmp_path / "data" / ("gradwire.db" if form == "inline" else "slots/00000001.slot")
    was = place.read_bytes()
    at = was.find(state(0, 3000).parameters[100:103].tobytes())
    place.write_bytes(was[:at] + b"\xff" + was[at + 1 :])
    with pytest.raises(CorruptState, match="checksum" if form == "inline" else network):
        copy_store(tmp_path / "data", tmp_path / "copy")
    assert {path.name for path in tmp_path.iterdir()} == {"data"}, "nothing is left half done"


def test_what_cannot_be_done(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="there is no store"):
        copy_store(tmp_path / "none", tmp_path / "copy")
    stores.inline(tmp_path / "data").close()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    (tmp_path / "file").write_text("kept")
    for taken in ("full", "file", "data"):
        with pytest.raises(StorageUnavailable, match="not an empty folder"):
            copy_store(tmp_path / "data", tmp_path / taken)
    assert (tmp_path / "full" / "mine").read_text() == "kept"
    (tmp_path / "empty").mkdir()
    copy_store(tmp_path / "data", tmp_path / "empty")
    copy_store(tmp_path / "data", tmp_path / "new" / "deep")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "full", "file", "empty", "new"}


def test_a_backup_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    store = stores.inline(tmp_path / "data")
    create(store)
    store.close()
    copy_store(tmp_path / "data", tmp_path / "copy")
    before = files(tmp_path / "copy")
    assert examine(tmp_path / "copy").faults == []
    assert files(tmp_path / "copy") == before


def test_a_disk_without_room_keeps_no_half_of_a_backup(tmp_path: Path) -> None:
    script = f"""
import resource
from pathlib import Path
from service.errors import StorageFull
from service.storage.backup import copy_store
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    copy_store(Path({str(tmp_path / "data")!r}), Path({str(tmp_path / "copy")!r}))
except StorageFull as error:
    print(error)
"""
    for form in STORES:
        store = getattr(stores, form)(tmp_path / "data")
        create(store, size=30_000)
        store.close()
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, text=True, capture_output=True, check=False)
        assert done.stdout == "the disk is full; there is no copy\n", done.stderr
        assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_every_table_that_holds_slots_is_known(tmp_path: Path) -> None:
    """One that is not in `service.storage.pieces` would be left out of backups, and the doctor would not look at it."""
    stores.inline(tmp_path).close()
    connection = open_reader(tmp_path / "gradwire.db")
    query = "SELECT t.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c ON c.name = 'slot'"
    holding = {table for (table,) in connection.execute(query)}
    connection.close()
    assert holding == {"snapshots", "job_parts"}
