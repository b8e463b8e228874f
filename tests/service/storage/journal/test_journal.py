"""Commits that are in the journal and not in rows yet: there for every reader, in order, and in rows when it matters."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.errors import Gone, IdempotencyMismatch, NotFound, StalePrecondition, StorageUnavailable
from service.storage import writer
from service.storage.base import NetworkState, timestamp
from service.storage.connections import open_reader
from service.storage.doctor import examine
from service.storage.journal import arena, frames
from service.storage.journal import journal as module
from service.storage.journal.file import WrittenFile
from service.storage.journal.looking import opened
from service.storage.journal.recovery import scan
from service.storage.sqlite import SqliteStore
from tests.contracts import stores
from tests.contracts.drawings import commit, create, made, receipt, same, state, take
from tests.service.storage.test_doctor import edited

SIZES = [20, 2000]
"""Numbers of a state that is in the frame, and of one in a cell."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    """It puts nothing into rows because nobody comes."""
    monkeypatch.setattr(writer, "_IDLE", 60.0)
    opened = stores.inline(tmp_path / "data", keep_versions=3)
    yield opened
    opened.close()


def in_rows(folder: Path, network: str) -> int:
    """The current version by the rows alone."""
    connection = open_reader(folder / "data" / "gradwire.db")
    found = connection.execute(
        "SELECT version FROM heads JOIN networks ON ordinal = network WHERE id = ?", (network,)
    ).get
    connection.close()
    return int(found)


@pytest.mark.parametrize("size", SIZES)
def test_the_current_version_is_read_from_the_journal(store: SqliteStore, tmp_path: Path, size: int) -> None:
    network = create(store, size=size)
    for version in range(1, 4):
        commit(store, network, version, key=f"key-{version}", size=size)
    assert store.network(network).version == 3
    assert [record.version for record in store.networks(9)[0]] == [3]
    assert store.receipt(network, "key-3") == receipt(network, "key-3", 3)
    read = store.state(network)
    assert same(read, state(3, size))
    assert not read.parameters.flags.writeable
    assert in_rows(tmp_path, network) == 0, "none of this has waited for rows"


@pytest.mark.parametrize("size", SIZES)
def test_what_is_older_is_in_rows_when_it_is_asked_for(store: SqliteStore, tmp_path: Path, size: int) -> None:
    network, other = create(store, size=size), create(store)
    for version in range(1, 6):
        commit(store, network, version, size=size)
    assert [entry.version for entry in store.versions(other, 9)] == [0]
    assert in_rows(tmp_path, network) == 0, "another network's question is none of this one's"
    assert [entry.retained for entry in store.versions(network, 9)] == [True] * 3 + [False] * 3
    assert in_rows(tmp_path, network) == 5
    assert all(same(store.state(network, version), state(version, size)) for version in (3, 4, 5))
    with pytest.raises(Gone):
        store.state(network, 2)
    with pytest.raises(NotFound):
        store.state(network, 6)
    assert store.stored_bytes(network) == sum(entry.stored_bytes for entry in store.versions(network, 9))


def test_refusals_go_by_the_journal(store: SqliteStore) -> None:
    network = create(store)
    commit(store, network, 1, key="once")
    with pytest.raises(StalePrecondition) as refused:
        commit(store, network, 1, key="late")
    assert refused.value.current == 1
    with pytest.raises(IdempotencyMismatch):
        commit(store, network, 2, key="once")
    assert store.receipt(network, "late") is None
    commit(store, network, 2)
    assert [entry.version for entry in store.versions(network, 9)] == [2, 1, 0]


def test_whatever_else_is_written_comes_after_it(store: SqliteStore, tmp_path: Path) -> None:
    network, gone = create(store), create(store)
    commit(store, network, 1, key="key-1")
    commit(store, gone, 1)
    with pytest.raises(StalePrecondition):
        store.rename_network(network, "no", timestamp(), expected=0).result(30)
    store.delete_network(gone, expected=1).result(30)
    commit(store, network, 2)
    assert in_rows(tmp_path, network) == 1
    with pytest.raises(NotFound):
        store.network(gone)
    with pytest.raises(NotFound):
        commit(store, gone, 2)


def test_many_commits_share_a_frame_and_rows(store: SqliteStore, tmp_path: Path) -> None:
    networks = [create(store, size=3000) for _ in range(40)]
    for version in range(1, 13):
        futures = [
            store.commit_version(network, version - 1, state(version, 3000), made(version)) for network in networks
        ]
        assert [future.exception(30) for future in futures] == [None] * 40
    assert in_rows(tmp_path, networks[0]) > 0, "when so many wait, they are put into rows"
    assert all(same(store.state(network), state(12, 3000)) for network in networks)
    store.close()
    assert examine(tmp_path / "data").faults == []
    store = stores.inline(tmp_path / "data")
    assert all(
        same(store.state(network, version), state(version, 3000)) for network in networks for version in (10, 12)
    )
    store.close()


def test_a_failed_commit_takes_none_of_its_frame_along(store: SqliteStore) -> None:
    networks = [create(store) for _ in range(6)]
    states = [NetworkState(np.array(["no number"], object)) if at == 2 else state(1) for at in range(6)]
    futures = [store.commit_version(each, 0, kept, made(1)) for each, kept in zip(networks, states, strict=True)]
    assert [type(future.exception(30)) for future in futures] == [type(None)] * 2 + [TypeError] + [type(None)] * 3
    assert [store.network(network).version for network in networks] == [1, 1, 0, 1, 1, 1]


def test_a_callback_of_the_writer_does_not_wait_for_it(store: SqliteStore) -> None:
    network = create(store)
    seen: list[int] = []
    done = threading.Event()

    def look(_future: object) -> None:
        seen.extend(entry.version for entry in store.versions(network, 9))
        done.set()

    store.commit_version(network, 0, state(1), made(1)).add_done_callback(look)
    assert done.wait(30)
    assert seen == [1, 0]


def test_an_older_look_at_the_rows_sees_no_frames_that_build_on_newer_ones(store: SqliteStore, tmp_path: Path) -> None:
    """As a backup looks: at the rows of one moment, and at the journal later."""
    network = create(store)
    commit(store, network, 1)
    rows = open_reader(tmp_path / "data" / "gradwire.db")
    rows.execute("BEGIN")
    versions = "SELECT version FROM heads"
    assert rows.execute(versions).fetchall() == [(0,)]
    commit(store, network, 2)
    store.versions(network, 9)  # put into rows: still the same writes
    commit(store, network, 3)
    other = create(store)
    commit(store, other, 1)
    commit(store, network, 4)
    store.rename_network(network, "renamed", timestamp()).result(30)
    commit(store, network, 5)
    assert rows.execute(versions).fetchall() == [(0,)]
    with opened(tmp_path / "data") as file:
        entries = scan(rows, tmp_path / "data", file).entries
    rows.close()
    assert [(entry.network, entry.made.version) for entry in entries] == [(network, version) for version in (1, 2, 3)]
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    after = stores.inline(tmp_path / "killed", keep_versions=3)
    assert (after.network(network).version, after.network(other).version) == (5, 1)
    after.close()


def test_a_version_whose_rows_come_in_between_is_read_from_them(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = create(store)
    for version in range(1, 6):
        take(store, network, version)
    waiting = store._pending.of(network)
    store.versions(network, 9)
    with pytest.raises(Gone):
        store.trail(network, 0)
    monkeypatch.setattr(store._pending, "of", lambda _network: waiting)
    trail = store.trail(network)
    assert (trail.version, len(trail.steps)) == (0, 5)


def test_without_sync_the_journal_is_synced_once_for_all_that_become_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_IDLE", 3600)
    synced: list[int] = []
    sync = WrittenFile.sync
    monkeypatch.setattr(WrittenFile, "sync", lambda file: synced.append(1) or sync(file))
    store = SqliteStore(tmp_path / "data", sync=False)
    network = create(store, size=2000)
    commit(store, network, 1, size=2000)  # which makes room for those that follow
    store.versions(network, 9)
    before = len(synced)
    for version in range(2, 5):
        commit(store, network, version, size=2000)
    assert len(synced) == before
    store.versions(network, 9)
    assert len(synced) == before + 1
    assert same(store.state(network), state(4, 2000))
    store.close()


@pytest.mark.parametrize("sync", [True, False])
def test_a_gap_between_frames_is_damage_where_each_was_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    monkeypatch.setattr(writer, "_IDLE", 3600)
    store = SqliteStore(tmp_path / "data", sync=sync)
    network = create(store)
    for version in range(1, 6):
        commit(store, network, version)
    (start, _), *_ = store._journal._frames[3:]
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    store.close()
    with (tmp_path / "copy" / "journal").open("r+b") as file:
        file.seek((1 + start) * frames.PAGE)
        file.write(bytes(frames.PAGE))
    if sync:
        with pytest.raises(StorageUnavailable, match=r"damaged .*acknowledged writes are lost"):
            stores.inline(tmp_path / "copy")
        return
    for _ in range(2):  # what is behind the gap does not come back
        opened = stores.inline(tmp_path / "copy")
        assert same(opened.state(network), state(3))
        opened.close()
    assert examine(tmp_path / "copy").faults == []


def test_the_doctor_finds_a_journal_that_goes_on_from_nothing(store: SqliteStore, tmp_path: Path) -> None:
    network = create(store)
    commit(store, network, 1)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    with edited(tmp_path / "copy") as database:
        database.execute("UPDATE heads SET version = 7")
    faults = examine(tmp_path / "copy").faults
    assert f"version 1 of network {network} is in the journal, and the one before it is not there" in faults
    with pytest.raises(StorageUnavailable, match=r"damaged .*journal"):
        stores.inline(tmp_path / "copy")


def test_windows_follow_each_other_and_cells_are_used_again(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COMMITS", 20)
    monkeypatch.setattr(arena, "_WINDOW", 512)
    monkeypatch.setattr(arena, "_CHUNK", 512)
    networks = [create(store, size=30_000) for _ in range(3)]
    for version in range(1, 60):
        for network in networks:
            commit(store, network, version, size=30_000)
        if version % 20 == 0:
            assert all(same(store.state(network, version - 2), state(version - 2, 30_000)) for network in networks)
    written = 59 * 3 * 2 * 30_000 * 8
    assert (tmp_path / "data" / "journal").stat().st_size < written / 5
    assert all(same(store.state(network), state(59, 30_000)) for network in networks)


def test_states_too_large_for_a_window_make_a_larger_one(store: SqliteStore) -> None:
    network = create(store, size=200_000)
    for version in range(1, 4):
        commit(store, network, version, size=200_000)
        assert same(store.state(network, version), state(version, 200_000))


def test_a_copy_of_the_folder_at_any_moment_has_what_was_acknowledged(store: SqliteStore, tmp_path: Path) -> None:
    """As after a kill: nothing but what is in the files."""
    network = create(store, size=2000)
    for version in range(1, 9):
        commit(store, network, version, key=f"key-{version}", size=2000)
        copy = tmp_path / f"copy-{version}"
        shutil.copytree(tmp_path / "data", copy)
        assert examine(copy).faults == []
        after = stores.inline(copy, keep_versions=3)
        assert after.network(network).version == version
        assert same(after.state(network), state(version, 2000))
        assert all(after.receipt(network, f"key-{number}") is not None for number in range(1, version + 1))
        commit(after, network, version + 1, size=2000)
        after.close()
