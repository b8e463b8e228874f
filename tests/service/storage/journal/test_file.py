"""The journal's file: pages written whole, past the page cache or through it, and read as they are."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from service.errors import CorruptState
from service.storage.journal import ring
from service.storage.journal.file import JournalFile, WrittenFile
from service.storage.journal.frames import PAGE


@pytest.mark.parametrize("direct", [True, False])
def test_pieces_are_written_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direct: bool) -> None:
    if not direct:
        monkeypatch.delattr(os, "O_DIRECT")
    monkeypatch.setattr(ring, "_AT_ONCE", 2 * PAGE)
    file = WrittenFile.create(tmp_path)
    file.grow(9)
    content = os.urandom(5 * PAGE)
    file.write(3, [content[:10], b"", memoryview(content)[10 : 3 * PAGE + 7], content[3 * PAGE + 7 :]])
    file.sync()
    reader = JournalFile(tmp_path)
    assert reader.pages == file.pages == 9
    assert reader.read(3, len(content)) == file.read(3, len(content)) == content
    assert reader.read(2, PAGE) == bytes(PAGE)
    assert reader.read(8, 2 * PAGE) == bytes(PAGE), "less where the file ends"
    reader.close()
    file.close()


def test_what_is_no_journal_is_refused_and_left(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JournalFile(tmp_path)
    for content, error in ((b"", FileNotFoundError), (bytes(PAGE), FileNotFoundError), (b"mine", CorruptState)):
        (tmp_path / "journal").write_bytes(content)
        for opened in (JournalFile, WrittenFile):
            with pytest.raises(error):
                opened(tmp_path)
        assert (tmp_path / "journal").read_bytes() == content


def test_a_file_system_that_does_not_go_past_its_cache_is_written_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, code = os.open, errno.EINVAL

    def refusing(path: object, flags: int, *rest: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(code, "no")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refusing)
    file = WrittenFile.create(tmp_path)
    file.write(0, [b"x" * PAGE])
    assert file.read(0, PAGE) == b"x" * PAGE
    file.close()
    code = errno.EIO
    with pytest.raises(OSError, match="no"):
        WrittenFile(tmp_path)


def test_a_device_with_larger_blocks_is_written_through_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, real = WrittenFile.create(tmp_path), os.pwrite

    def refusing(descriptor: int, data: memoryview, offset: int) -> int:
        if descriptor == file._direct and len(data) % (2 * PAGE):
            raise OSError(errno.EINVAL, "no")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", refusing)
    for page, pages in ((0, 3), (3, 2)):
        file.write(page, [bytes([page + 1]) * pages * PAGE])
    assert file.read(0, 9 * PAGE) == b"\1" * 3 * PAGE + b"\4" * 2 * PAGE
    file.close()


def test_no_more_is_read_than_there_is(tmp_path: Path) -> None:
    """A length that is damage, or that a client has chosen, asks for no memory."""
    file = WrittenFile.create(tmp_path)
    file.grow(2)
    assert file.read(1, 2**62) == bytes(PAGE)
    assert file.read(7, 2**62) == b""
    file.close()
