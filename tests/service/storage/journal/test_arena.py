"""Room in the journal: a window after the other, out of pages that nobody needs and no backup reads."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.storage.journal.arena import Arena, cell, is_cell, place_of
from service.storage.journal.file import JournalFile, WrittenFile
from service.storage.journal.frames import PAGE

MEGABYTE = 2**20 // PAGE


@pytest.fixture
def file(tmp_path: Path) -> Iterator[WrittenFile]:
    made = WrittenFile.create(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("run", [(0, 1), (12345, 1025), (2**40 - 1, 2**19)])
def test_a_number_says_where_a_cell_is(run: tuple[int, int]) -> None:
    assert place_of(cell(run)) == run
    assert is_cell(cell(run))
    assert cell(run) < 2**63, "it has room in a column of SQLite"
    assert not is_cell(99_999_999)


def test_a_window_is_taken_from_its_start_on(file: WrittenFile) -> None:
    arena = Arena(file, ())
    assert arena.take(1) is None
    assert arena.open_window(1)
    assert [arena.take(3), arena.take(2)] == [0, 3]
    assert arena.window == [(5, MEGABYTE - 5)]
    assert arena.fits(MEGABYTE - 5)
    assert not arena.fits(MEGABYTE - 4)


def test_what_does_not_fit_goes_to_the_next_run(file: WrittenFile) -> None:
    arena = Arena(file, ())
    assert arena.open_window(MEGABYTE)
    kept = [arena.take(10) for _ in range(MEGABYTE // 10)]
    arena.give([(start, 10) for start in kept[1::2] if start is not None])
    arena.window = [(kept[1] or 0, 3), (kept[3] or 0, 10), (kept[5] or 0, 10)]
    assert [arena.take(10), arena.take(4), arena.take(9), arena.take(7)] == [kept[3], kept[5], None, None]
    assert arena.take(6) == (kept[5] or 0) + 4


def test_pages_of_a_window_are_nobody_elses(file: WrittenFile) -> None:
    arena = Arena(file, ())
    used: set[int] = set()
    for _ in range(40):
        assert arena.open_window(7)
        while (start := arena.take(7)) is not None:
            pages = set(range(start, start + 7))
            assert not used & pages
            used |= pages
    assert max(used) < file.pages


def test_pages_that_are_given_back_are_used_again(file: WrittenFile) -> None:
    arena = Arena(file, ())
    for _ in range(50):
        assert arena.open_window(16)
        runs = []
        while (start := arena.take(16)) is not None:
            runs.append((start, 16))
        arena.give(runs)
    assert file.pages <= 64 * MEGABYTE, "it stops growing"


def test_no_page_is_used_again_while_a_backup_reads(file: WrittenFile, tmp_path: Path) -> None:
    arena = Arena(file, ())
    assert arena.open_window(MEGABYTE)
    whole = (0, MEGABYTE)
    assert arena.take(MEGABYTE) == 0
    reader = JournalFile(tmp_path)
    reader.hold()
    assert file.is_held()
    arena.give([whole])
    assert arena.open_window(MEGABYTE)
    assert all(start >= MEGABYTE for start, _ in arena.window)
    reader.close()
    assert not file.is_held()
    arena.give(())
    seen = set()
    for _ in range(8):
        assert arena.open_window(1)
        seen |= {start for start, _ in arena.window}
        for start, length in list(arena.window):
            arena.take(length)
            del start
    assert any(start < MEGABYTE for start in seen), "afterwards they are"


def test_a_full_disk_has_no_window_and_any_other_error_is_one(
    file: WrittenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    arena, code = Arena(file, ()), errno.ENOSPC

    def grow(_pages: int) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(file, "grow", grow)
    assert not arena.open_window(1)
    code = errno.EIO
    with pytest.raises(OSError, match="no"):
        arena.open_window(1)


def test_what_is_free_at_the_end_goes_back_to_the_disk(file: WrittenFile) -> None:
    arena = Arena(file, ())
    assert arena.open_window(2 * MEGABYTE)
    assert arena.take(MEGABYTE) == 0
    assert arena.take(MEGABYTE) == MEGABYTE
    arena.give([(MEGABYTE, MEGABYTE)])
    arena.cut()
    assert file.pages == MEGABYTE
    arena.cut()
    assert file.pages == MEGABYTE
