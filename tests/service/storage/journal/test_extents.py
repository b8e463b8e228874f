"""Free pages: what was taken is nobody else's, and what is given back is one with its neighbors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.storage.journal.extents import Extents


@given(st.data())
def test_pages_are_free_or_taken_and_never_both(data: st.DataObject) -> None:
    extents, taken, end = Extents((), 20), list[tuple[int, int]](), 20
    for _ in range(data.draw(st.integers(1, 30))):
        action = data.draw(st.sampled_from(["take", "give", "grow", "cut"]))
        if action == "take":
            pages, runs = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 3))
            longest = extents.longest
            found = extents.take(pages, runs)
            assert len(found) <= runs
            assert sum(length for _, length in found) <= pages
            assert not found or found[0][1] == min(pages, longest), "the longest run comes first"
            taken += found
        elif action == "give" and taken:
            extents.give(*taken.pop(data.draw(st.integers(0, len(taken) - 1))))
        elif action == "grow":
            end += 5
            extents.grow(5)
        elif action == "cut":
            end -= extents.cut()
            assert extents.end == end
        held = {page for start, length in taken for page in range(start, start + length)}
        assert len(held) == sum(length for _, length in taken), "a page was given to two"
        free = sorted(set(range(end)) - held)
        assert extents.free == len(free)
        assert extents.longest == _longest(free)


def _longest(pages: list[int]) -> int:
    best = run = 0
    for at, page in enumerate(pages):
        run = run + 1 if at and pages[at - 1] == page - 1 else 1
        best = max(best, run)
    return best


def test_what_is_in_use_is_not_free() -> None:
    extents = Extents([(5, 2), (0, 3)], 9)
    assert extents.free == 4
    assert sorted(extents.take(9, 9)) == [(3, 2), (7, 2)]
    assert extents.take(1, 1) == []


@pytest.mark.parametrize(("used", "message"), [([(0, 3), (2, 1)], "in use twice"), ([(4, 2)], "there are 5")])
def test_what_cannot_be_in_use(used: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Extents(used, 5)
