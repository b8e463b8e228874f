"""The file of keys: whole at every moment, readable by its owner alone, and never with a secret in it."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from service.access.keyfile import KeyFile
from service.access.keys import Key, Limits, digest_of
from service.errors import NotFound, StorageUnavailable

LIMITS = Limits(2.5, 3, 4)


def test_what_is_made_is_read(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "made" / "here")
    assert file.read() == []
    assert file.signature() is None
    first, secret = file.create("laptop", "", Limits())
    second, other = file.create("", "team", LIMITS)
    assert file.read() == [first, second]
    assert (first.owner, second.owner, second.limits) == (first.id, "team", LIMITS)
    assert first.digest == digest_of(secret.encode()).hex() != second.digest
    assert secret != other
    assert Key.read(json.loads(json.dumps(second.document()))) == second


def test_each_change_is_another_file_with_the_same_mode(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    seen = set()
    mask = os.umask(0)
    try:
        for number in range(5):
            file.create(str(number), "", Limits())
            seen.add(file.signature())
            assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    finally:
        os.umask(mask)
    assert len(seen) == 5
    assert {path.name for path in tmp_path.iterdir()} == {"keys.json", "keys.lock"}


def test_a_key_is_revoked_once_and_stays_in_the_list(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    key, _ = file.create("", "", Limits())
    revoked = file.revoke(key.id)
    assert revoked.revoked_at is not None
    assert file.revoke(key.id) == revoked
    assert file.read() == [revoked]
    with pytest.raises(NotFound):
        file.revoke("key_none")


def test_what_a_crash_left_is_no_obstacle(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    key, _ = file.create("", "", Limits())
    (tmp_path / "keys.new").write_text("half a fi")
    assert file.read() == [key]
    file.create("", "", Limits())
    assert len(file.read()) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"form": 2, "keys": []}',
        '{"form": 1}',
        '{"form": 1, "keys": [{}]}',
        '{"form": 1, "keys": 3}',
    ],
)
def test_another_file_is_refused_and_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    file = KeyFile(tmp_path)
    with pytest.raises(StorageUnavailable, match=r"keys\.json"):
        file.read()
    with pytest.raises(StorageUnavailable):
        file.create("", "", Limits())
    assert (tmp_path / "keys.json").read_text() == text


def _make(folder: Path) -> None:
    for _ in range(10):
        KeyFile(folder).create("", "", Limits())


def test_processes_that_change_it_at_once_lose_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    makers = [spawn.Process(target=_make, args=(tmp_path,)) for _ in range(3)]
    for maker in makers:
        maker.start()
    while any(maker.is_alive() for maker in makers):
        KeyFile(tmp_path).read()  # whole at every moment
    for maker in makers:
        maker.join()
        assert maker.exitcode == 0
    assert len({key.id for key in KeyFile(tmp_path).read()}) == 30
