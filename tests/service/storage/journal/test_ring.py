"""Pieces come out of the ring as they went in, in whole pages, over its end too."""

from __future__ import annotations

import random

import pytest

from service.storage.journal import ring
from service.storage.journal.frames import PAGE
from service.storage.journal.ring import Ring


def test_pieces_are_put_together_around_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "_SIZE", 8 * PAGE)
    monkeypatch.setattr(ring, "_AT_ONCE", 4 * PAGE)
    drawn = random.Random(0)
    made = Ring()
    for _ in range(200):
        pages = drawn.randrange(1, 20)
        content = drawn.randbytes(pages * PAGE)
        cuts = sorted(drawn.randrange(len(content) + 1) for _ in range(drawn.randrange(5)))
        pieces = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
        parts = [bytes(part) for part in made.gather(pieces)]
        assert b"".join(parts) == content
        assert all(len(part) % PAGE == 0 and 0 < len(part) <= 4 * PAGE for part in parts)


def test_memory_that_was_just_written_is_not_written_to_at_once() -> None:
    made = Ring()
    first, second = (next(made.gather([bytes([number]) * PAGE])) for number in (1, 2))
    assert (first[0], second[0]) == (1, 2)
