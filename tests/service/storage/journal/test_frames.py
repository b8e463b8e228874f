"""A frame counts whole, in its epoch and under its number, or not at all."""

from __future__ import annotations

import random

import pytest

from service.storage.journal.frames import PAGE, entry_size, frame_pages, numbers, pack, read

ENTRIES = [(b'{"a": 1}', b"content"), (b"[]", b""), (b"x" * 5000, b"y" * 300)]
EPOCH = 2**61 + 5


def source(data: bytes):
    return lambda page, nbytes: data[page * PAGE : page * PAGE + nbytes]


@pytest.mark.parametrize("entries", [ENTRIES, ENTRIES[:1], []])
def test_what_was_packed_is_read(entries: list[tuple[bytes, bytes]]) -> None:
    frame = pack(EPOCH, 7, entries)
    assert len(frame) == PAGE * frame_pages(sum(entry_size(*entry) for entry in entries))
    found = read(source(bytes(3 * PAGE) + frame + b"behind"), 3, EPOCH)
    assert found is not None
    assert (found.number, list(found.entries), found.pages) == (7, entries, len(frame) // PAGE)


def test_any_byte_that_is_another_is_noticed() -> None:
    frame = pack(EPOCH, 7, ENTRIES)
    nbytes = 40 + sum(entry_size(*entry) for entry in ENTRIES)
    drawn = random.Random(1)
    for place in [*range(60), *(drawn.randrange(nbytes) for _ in range(500)), nbytes - 1]:
        damaged = bytearray(frame)
        damaged[place] ^= 1 << drawn.randrange(8)
        assert read(source(bytes(damaged)), 0, EPOCH) is None, place


@pytest.mark.parametrize("lost", [1, 1500, 5000])
def test_half_a_frame_is_none(lost: int) -> None:
    frame = pack(EPOCH, 7, ENTRIES)
    end = 40 + sum(entry_size(*entry) for entry in ENTRIES)
    assert read(source(frame[:end]), 0, EPOCH) is not None
    assert read(source(frame[: end - lost]), 0, EPOCH) is None
    assert read(source(frame[: end - lost].ljust(len(frame), b"\0")), 0, EPOCH) is None


def test_a_frame_of_another_epoch_is_none() -> None:
    assert read(source(pack(EPOCH + 1, 7, ENTRIES)), 0, EPOCH) is None


def test_whatever_begins_at_a_page_is_found() -> None:
    forged = pack(EPOCH + 1, 5, ENTRIES)  # as a client might have it in a state
    data = pack(EPOCH, 3, ENTRIES) + forged + forged[:24].ljust(PAGE, b"\1") + pack(EPOCH, 4, [])
    assert list(numbers(source(data), 0, len(data) // PAGE, EPOCH)) == [3, 4]
    assert list(numbers(source(data), 1, len(data) // PAGE, EPOCH)) == [4]
