"""What a store asks of the folder and the library that it is opened on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from service.errors import StorageUnavailable
from service.storage import connections
from service.storage.connections import open_writer
from service.storage.lock import Lock
from service.storage.schema import APPLICATION_ID, MIGRATIONS, migrate
from tests.contracts import stores
from tests.contracts.drawings import create, same, state


def test_the_settings_that_durability_rests_on(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    migrate(connection)
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("checksum_verification") == "1"
    assert connection.pragma("application_id") == APPLICATION_ID
    assert connection.pragma("user_version") == len(MIGRATIONS)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    migrate(connection)
    before = connection.execute("SELECT sql FROM sqlite_schema").fetchall()
    migrate(connection)
    assert connection.execute("SELECT sql FROM sqlite_schema").fetchall() == before
    connection.close()


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    connections._check_library.cache_clear()
    with pytest.raises(StorageUnavailable, match=r"3\.51\.3"):
        stores.inline(tmp_path)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (f"PRAGMA user_version = {len(MIGRATIONS) + 1}", "newer release"),
        ("PRAGMA application_id = 7", "not a store"),
    ],
)
def test_a_database_of_another_release_or_program_is_refused(tmp_path: Path, statement: str, message: str) -> None:
    store = stores.inline(tmp_path)
    network = create(store)
    store.close()
    _execute(tmp_path, statement)
    with pytest.raises(StorageUnavailable, match=message):
        stores.inline(tmp_path)
    _execute(tmp_path, f"PRAGMA user_version = {len(MIGRATIONS)}; PRAGMA application_id = {APPLICATION_ID}")
    store = stores.inline(tmp_path)
    assert same(store.state(network), state(0))
    store.close()


def test_a_database_without_checksums_is_refused(tmp_path: Path) -> None:
    plain = apsw.Connection(str(tmp_path / "gradwire.db"), vfs="unix")
    plain.execute("CREATE TABLE anything (a)")
    plain.close()
    with pytest.raises(StorageUnavailable, match="checksums"):
        stores.inline(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gradwire.db").write_bytes(b"no database " * 1000)
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        stores.inline(tmp_path)
    assert (tmp_path / "gradwire.db").read_bytes() == b"no database " * 1000


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        stores.inline(tmp_path / "file" / "data")


def test_a_failed_opening_lets_go_of_the_lock(tmp_path: Path) -> None:
    (tmp_path / "gradwire.db").write_bytes(b"no database " * 1000)
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="cannot be opened"):
            stores.inline(tmp_path)
    (tmp_path / "gradwire.db").unlink()
    stores.inline(tmp_path).close()


def test_the_lock_names_its_process_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = "import sys; from pathlib import Path; from service.storage.lock import Lock; "
    code += "lock = Lock(Path(sys.argv[1])); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StorageUnavailable, match=f"process {other.pid}$"):
            Lock(path)
        other.kill()
        other.wait()
    lock = Lock(path)
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def _execute(folder: Path, statement: str) -> None:
    connection = open_writer(folder / "gradwire.db")
    connection.execute(statement)
    connection.close()
