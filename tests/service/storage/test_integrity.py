"""Damage to the database is found before anything is written to it, is named, and leaves its evidence behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import CorruptState, StorageUnavailable
from service.storage import integrity
from service.storage.connections import open_reader
from tests.contracts import stores
from tests.contracts.drawings import commit, create, same, state
from tests.service.storage.strace import ROOT

FRAME = 24 + 4096
KILLED = """
import os, sys
from pathlib import Path
from tests.contracts import stores
from tests.contracts.drawings import create
store = stores.inline(Path(sys.argv[1]))
create(store, "net_a")
for number in range(1, 11):
    store.rename_network("net_a", str(number), f"at {number}").result()
os._exit(0)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose ten names are in the log of a process that ended without closing it."""
    folder = tmp_path_factory.mktemp("killed") / "data"
    subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=True, cwd=ROOT)
    return folder


def flipped(source: Path, folder: Path, name: str, place: int) -> Path:
    """A copy with one bit of a file flipped."""
    copy = folder / "data"
    shutil.copytree(source, copy)
    data = bytearray((copy / name).read_bytes())
    data[place] ^= 4
    (copy / name).write_bytes(bytes(data))
    return copy


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("gradwire.db*") if not path.name.endswith("-shm")}


def commits(log: bytes) -> list[int]:
    """The places of the frames that end a commit."""
    return [at for at in range(32, len(log), FRAME) if any(log[at + 4 : at + 8])]


@pytest.mark.parametrize("inside", [0, 9, 23, 24, 2000, FRAME - 1])
@pytest.mark.parametrize("commit_from_the_end", [2, 5])
def test_a_log_that_is_damaged_in_the_middle_stops_the_start(
    killed: Path, tmp_path: Path, inside: int, commit_from_the_end: int
) -> None:
    """SQLite alone would go by the log up to the damage and drop what was acknowledged after it."""
    ends = commits((killed / "gradwire.db-wal").read_bytes())
    place = ends[-commit_from_the_end] + inside
    folder = flipped(killed, tmp_path, "gradwire.db-wal", place)
    before = content(folder)
    begins = (ends[-commit_from_the_end - 1] - 32) // FRAME + 2
    for _ in range(2):
        with pytest.raises(
            StorageUnavailable, match=f"log is damaged in the commit that begins at frame {begins}, "
        ) as refused:
            stores.inline(folder)
        assert "\n" not in str(refused.value)
        assert content(folder) == before, "the evidence is kept"


@pytest.mark.parametrize("place", [1, 9, 17, 30])
def test_a_log_whose_header_is_damaged_stops_the_start(killed: Path, tmp_path: Path, place: int) -> None:
    with pytest.raises(StorageUnavailable, match="header of the write-ahead log is damaged"):
        stores.inline(flipped(killed, tmp_path, "gradwire.db-wal", place))


@pytest.mark.parametrize("lost", [1, FRAME // 2, FRAME, FRAME + 7])
def test_a_log_that_ends_in_the_middle_of_a_commit_is_a_crash(killed: Path, tmp_path: Path, lost: int) -> None:
    folder = tmp_path / "data"
    shutil.copytree(killed, folder)
    log = folder / "gradwire.db-wal"
    os.truncate(log, log.stat().st_size - lost)
    store = stores.inline(folder)
    assert store.network("net_a").name == "9"
    assert same(store.state("net_a"), state(0))
    commit(store, "net_a", 1, key="key-1")
    store.close()


def test_frames_of_an_earlier_log_are_no_damage(killed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(killed, folder)
    store = stores.inline(folder)
    store._writer._committer.copy_back()  # all of the log is in the database now, and the next write begins it anew
    store.rename_network("net_a", "11", "now").result()
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    store.close()
    assert len((copy / "gradwire.db-wal").read_bytes()) > 20 * FRAME
    store = stores.inline(copy)
    assert store.network("net_a").name == "11"
    store.close()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that was closed in order: all of it is in the database file."""
    folder = tmp_path_factory.mktemp("closed") / "data"
    store = stores.inline(folder)
    create(store, "net_a", size=300)
    for version in range(1, 6):
        commit(store, "net_a", version, key=f"key-{version}", size=300)
    store.close()
    return folder


def pages_of(folder: Path, table: str) -> list[int]:
    connection = open_reader(folder / "gradwire.db")
    found = [page for (page,) in connection.execute("SELECT pageno FROM dbstat WHERE name = ?", (table,))]
    connection.close()
    return found


@pytest.mark.parametrize("table", ["networks", "heads", "versions", "snapshots", "checkpoints", "receipts", "probes"])
def test_a_damaged_table_stops_the_start_and_is_named(closed: Path, tmp_path: Path, table: str) -> None:
    folder = flipped(closed, tmp_path, "gradwire.db", (pages_of(closed, table)[-1] - 1) * 4096 + 4000)
    before = content(folder)
    with pytest.raises(StorageUnavailable, match=f"table {table}: .*doctor --data {folder}"):
        stores.inline(folder)
    assert content(folder) == before


def test_damage_to_the_numbers_of_one_network_stops_nobody_else(closed: Path, tmp_path: Path) -> None:
    folder = flipped(closed, tmp_path, "gradwire.db", (pages_of(closed, "contents")[-1] - 1) * 4096 + 1000)
    store = stores.inline(folder)
    readable = 0
    for version in range(6):
        try:
            readable += same(store.state("net_a", version), state(version, 300))
        except CorruptState as error:
            assert f"version {version} of network net_a" in str(error)  # noqa: PT017  one or more of the six
    assert 0 < readable < 6
    other = create(store)
    commit(store, other, 1)
    store.close()


def test_damage_to_what_is_to_go_keeps_no_commit_from_its_rows(tmp_path: Path) -> None:
    store = stores.inline(tmp_path / "sound")
    create(store, "net_a", size=3000)  # the one version that is in rows, not in the journal
    store.close()
    page = sorted(pages_of(tmp_path / "sound", "contents"))[3]
    folder = flipped(tmp_path / "sound", tmp_path, "gradwire.db", (page - 1) * 4096 + 1000)
    store = stores.inline(folder, keep_versions=2)
    for version in range(1, 6):
        commit(store, "net_a", version, size=3000)
        assert store.versions("net_a", 1)[0].version == version
    assert same(store.state("net_a"), state(5, 3000))
    with pytest.raises(CorruptState):
        store.state("net_a", 0)
    store.close()


@pytest.mark.parametrize("place", [0, 20, 30, 100, 2000])
def test_a_damaged_first_page_stops_the_start(closed: Path, tmp_path: Path, place: int) -> None:
    with pytest.raises(StorageUnavailable):
        stores.inline(flipped(closed, tmp_path, "gradwire.db", place))


def test_the_look_has_an_end(closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = flipped(closed, tmp_path, "gradwire.db", (pages_of(closed, "receipts")[-1] - 1) * 4096 + 4000)
    monkeypatch.setattr(integrity, "_PATIENCE", -1.0)
    monkeypatch.setattr(integrity, "_STEPS", 1)
    store = stores.inline(folder)
    assert same(store.state("net_a"), state(5, 300))
    with pytest.raises(CorruptState):
        store.receipt("net_a", "key-1")
    store.close()


def test_a_sound_store_leaves_no_log_when_it_closes(tmp_path: Path) -> None:
    for _ in range(2):
        stores.inline(tmp_path).close()
        assert {path.name for path in tmp_path.iterdir()} == {"gradwire.db", "lock", "slots"}
