"""Pointers follow RFC 6901, and what they repeat of a client's text is short and can be encoded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.codecs.pointers import excerpt, join, pointer


def test_pointers_are_those_of_rfc_6901() -> None:
    assert pointer() == ""
    assert pointer("inputs", 3, 7) == "/inputs/3/7"
    assert pointer("a/b", "m~n", "", "~1") == "/a~1b/m~0n//~01"
    assert join("/layers/0", ["weights", 2]) == "/layers/0/weights/2"


def test_long_text_is_cut() -> None:
    assert excerpt("x" * 80) == "x" * 80
    assert excerpt("x" * 81) == "x" * 77 + "..."
    assert pointer("x" * 10_000) == "/" + "x" * 77 + "..."


def test_what_cannot_be_shown_is_escaped() -> None:
    assert excerpt("a\nb\ud800\x00é") == "a\\nb\\ud800\\x00é"


@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_text_can_be_repeated(text: str) -> None:
    shown = excerpt(text)
    assert shown.isprintable()
    assert len(shown.encode("utf-8")) <= 4 * 160
