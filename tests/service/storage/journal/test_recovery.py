"""A journal that a killed process has left: acknowledged commits become rows, half a frame is none, and damage is told apart."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from service.errors import CorruptState, StorageUnavailable
from service.storage.backup import copy_store
from service.storage.connections import open_reader
from service.storage.doctor import examine
from service.storage.journal import frames
from service.storage.journal.file import JournalFile
from service.storage.journal.frames import PAGE
from service.storage.journal.recovery import scan
from tests.contracts import stores
from tests.contracts.drawings import commit, receipt, same, state
from tests.service.storage.strace import ROOT

KILLED = """
import os, sys
from pathlib import Path
from service.storage import writer
from tests.contracts import stores
from tests.contracts.drawings import commit, create
writer._IDLE = 60.0
store = stores.inline(Path(sys.argv[1]))
create(store, "net_a", size=SIZE)
for version in range(1, 11):
    commit(store, "net_a", version, key=f"key-{version}", size=SIZE)
os._exit(0)
"""
REFUSED = """
import os, resource, sys
from pathlib import Path
from service.errors import StorageFull
from service.storage import writer
from service.storage.connections import open_reader
from tests.contracts import stores
from tests.contracts.drawings import commit, create
writer._IDLE = 60.0
folder = Path(sys.argv[1])
store = stores.inline(folder)
create(store, "net_a", size=1000)
while WRITTEN:  # the log is longer than the journal will be
    create(store, size=10_000)
    WRITTEN = (folder / "gradwire.db-wal").stat().st_size < 3 * 2**20
reader = open_reader(folder / "gradwire.db")
if HELD:
    reader.execute("BEGIN; SELECT * FROM heads")  # and it cannot be begun anew
for version in range(1, BEFORE + 1):
    commit(store, "net_a", version, size=1000)
store.versions("net_a", 9)  # nothing waits
limit = (folder / "gradwire.db-wal").stat().st_size if not BEFORE else 4096
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    commit(store, "net_a", BEFORE + 1, size=1000)
    done = BEFORE + 1
except StorageFull:
    done = BEFORE
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for version in range(done + 1, done + 3):
    commit(store, "net_a", version, size=1000)
print(done + 2)
os._exit(0)
"""
SIZES = [20, 1000]
"""Numbers of a state that is in the frame, and of one in a cell."""


@pytest.fixture(scope="module", params=SIZES)
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A store whose ten steps are in the journal alone, and how many numbers its network has."""
    folder = tmp_path_factory.mktemp("killed") / "data"
    script = KILLED.replace("SIZE", str(request.param))
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True, cwd=ROOT)
    return folder, request.param


def frames_of(folder: Path) -> list[tuple[int, int]]:
    """Where each frame begins, and its pages without the cells."""
    connection = open_reader(folder / "gradwire.db")
    epoch, runs = connection.execute("SELECT epoch, runs FROM journal").fetchall()[0]
    connection.close()
    ((start, length),) = orjson.loads(runs)
    file = JournalFile(folder)
    found = [(page, frames.read(file.read, page, epoch)) for page in range(start, start + length)]
    file.close()
    return [(page, frame.pages) for page, frame in found if frame is not None]


def flipped(source: Path, folder: Path, *places: int) -> Path:
    """A copy with a bit flipped at places of the journal."""
    copy = folder / "data"
    shutil.copytree(source, copy)
    data = bytearray((copy / "journal").read_bytes())
    for place in places:
        data[place] ^= 8
    (copy / "journal").write_bytes(data)
    return copy


def test_what_was_acknowledged_becomes_rows(killed: tuple[Path, int], tmp_path: Path) -> None:
    source, size = killed
    folder = tmp_path / "data"
    shutil.copytree(source, folder)
    report = examine(folder)
    assert report.faults == []
    assert report.notes == ["10 acknowledged writes are in the journal alone; the next start puts them into rows"]
    for _ in range(2):
        store = stores.inline(folder)
        assert store.network("net_a").version == 10
        assert all(same(store.state("net_a", version), state(version, size)) for version in range(11))
        assert all(store.receipt("net_a", f"key-{n}") == receipt("net_a", f"key-{n}", n) for n in range(1, 11))
        store.close()
    assert examine(folder).notes == []
    store = stores.inline(folder)
    commit(store, "net_a", 11, size=size)
    store.close()


def test_a_backup_of_it_has_it_too(killed: tuple[Path, int], tmp_path: Path) -> None:
    source, size = killed
    copy_store(source, tmp_path / "copy")
    store = stores.inline(tmp_path / "copy")
    assert store.network("net_a").version == 10
    assert all(same(store.state("net_a", version), state(version, size)) for version in range(11))
    store.close()


@pytest.mark.parametrize("which", [0, 4, 8])
@pytest.mark.parametrize("inside", [0, 9, 30, 100, "cell"])
def test_damage_before_an_acknowledged_frame_stops_the_start(
    killed: tuple[Path, int], tmp_path: Path, which: int, inside: int | str
) -> None:
    source, size = killed
    start, pages = frames_of(source)[which]
    place = (1 + start) * PAGE + (inside if isinstance(inside, int) else pages * PAGE + 5000)
    if inside == "cell" and size == SIZES[0]:
        place = (1 + start) * PAGE + 500  # there is no cell: in the bytes that are in the frame
    folder = flipped(source, tmp_path, place)
    before = (folder / "journal").read_bytes()
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match=f"journal is damaged in frame {which + 1}, .*doctor") as refused:
            stores.inline(folder)
        assert "\n" not in str(refused.value)
        assert (folder / "journal").read_bytes() == before, "the evidence is kept"
    (fault,) = examine(folder).faults
    assert fault == f"the journal is damaged in frame {which + 1}, and acknowledged writes are lost"
    with pytest.raises(CorruptState, match="the journal is damaged"):
        copy_store(folder, tmp_path / "copy")


@pytest.mark.parametrize("inside", [0, 30, 100, "cell"])
def test_the_last_frame_is_whole_or_was_never_acknowledged(
    killed: tuple[Path, int], tmp_path: Path, inside: int | str
) -> None:
    source, size = killed
    start, pages = frames_of(source)[-1]
    within = inside if isinstance(inside, int) else 500 if size == SIZES[0] else pages * PAGE + 5000
    folder = flipped(source, tmp_path, (1 + start) * PAGE + within)
    store = stores.inline(folder)
    assert store.network("net_a").version == 9
    assert same(store.state("net_a"), state(9, size))
    assert store.receipt("net_a", "key-10") is None
    commit(store, "net_a", 10, key="key-10", size=size)
    store.close()


def test_a_frame_that_was_dropped_does_not_come_back(killed: tuple[Path, int], tmp_path: Path) -> None:
    source, size = killed
    start, _ = frames_of(source)[-1]
    place = (1 + start) * PAGE + 30
    folder = flipped(source, tmp_path, place)
    page = slice((1 + start) * PAGE, (2 + start) * PAGE)
    dropped = (folder / "journal").read_bytes()[page]
    store = stores.inline(folder)
    commit(store, "net_a", 10, key="other", size=size)
    shutil.copytree(folder, tmp_path / "copy")
    store.close()
    data = bytearray((tmp_path / "copy" / "journal").read_bytes())
    if data[page] == dropped:  # not written over: make it whole again
        data[place] ^= 8
    (tmp_path / "copy" / "journal").write_bytes(data)
    store = stores.inline(tmp_path / "copy")
    assert store.network("net_a").version == 10
    assert store.receipt("net_a", "other") is not None
    assert store.receipt("net_a", "key-10") is None
    store.close()


@pytest.mark.parametrize("held", [False, True], ids=["rows are written", "rows are not written"])
@pytest.mark.parametrize("before", [0, 1], ids=["the window cannot be named", "the frame cannot be written"])
def test_what_follows_a_write_without_room_is_not_lost(tmp_path: Path, before: int, held: bool) -> None:
    script = REFUSED.replace("BEFORE", str(before)).replace("HELD", str(held))
    script = script.replace("while WRITTEN", f"WRITTEN = {not before}\nwhile WRITTEN")
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "data")], check=True, cwd=ROOT, capture_output=True, text=True
    )
    version = int(ran.stdout)
    assert version == before + (2 if held or before else 3), "whether there was room for it in rows"
    assert examine(tmp_path / "data").notes != [], "what came last is in the journal alone"
    store = stores.inline(tmp_path / "data")
    assert store.network("net_a").version == version
    assert same(store.state("net_a"), state(version, 1000))
    store.close()


def test_a_frame_that_was_being_written_is_looked_at_again(killed: tuple[Path, int]) -> None:
    """By a backup, whose store goes on."""
    source, _ = killed
    late = {page for page, _ in frames_of(source)[3:6]}

    class Behind(JournalFile):
        def read(self, page: int, nbytes: int) -> bytes:
            if page in late:
                late.remove(page)
                return bytes(nbytes)
            return super().read(page, nbytes)

    file, connection = Behind(source), open_reader(source / "gradwire.db")
    assert [entry.made.version for entry in scan(connection, source, file).entries] == list(range(1, 11))
    connection.close()
    file.close()


def test_a_journal_that_is_missing_stops_the_start(killed: tuple[Path, int], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(killed[0], folder)
    (folder / "journal").unlink()
    with pytest.raises(StorageUnavailable, match="journal is missing"):
        stores.inline(folder)
    assert any("journal is missing" in fault for fault in examine(folder).faults)
    (folder / "journal").write_text("mine")
    with pytest.raises(StorageUnavailable, match="not a journal"):
        stores.inline(folder)
    assert any("not a journal" in fault for fault in examine(folder).faults)
