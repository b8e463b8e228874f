"""The `Prefer` header, by RFC 7240."""

from __future__ import annotations

import contextlib
import time

import pytest
from starlette.requests import Request

from service.errors import MalformedBody
from service.routers.prefer import Preference, preference


def read(*values: str) -> Preference | None:
    headers = [(b"prefer", value.encode("latin-1")) for value in values]
    return preference(Request({"type": "http", "method": "POST", "headers": headers}))


@pytest.mark.parametrize(
    ("values", "wait"),
    [
        (["respond-async"], 0),
        (["Respond-Async"], 0),
        (["respond-async, wait=10"], 10),
        (["wait=10,respond-async"], 10),
        (['respond-async; foo="some, value", wait = "7"'], 7),
        (["wait=3", "respond-async"], 3),
        (["wait=3, respond-async, wait=9"], 3),
        (["respond-async;;; a = b ; c, ,"], 0),
        (["handling=lenient, priority=5, respond-async"], 0),
    ],
)
def test_what_asks_for_a_job(values: list[str], wait: int) -> None:
    assert read(*values) == Preference(wait)


@pytest.mark.parametrize(
    "values", [[], [""], ["wait=10"], ["return=minimal"], ['x="respond-async"'], ["respond-async-not"]]
)
def test_what_does_not(values: list[str]) -> None:
    assert read(*values) is None


@pytest.mark.parametrize(
    "value",
    ["respond-async, wait", "respond-async, wait=", "respond-async, wait=1.5", "a b", "=", '"x"', 'a="', "a=b=c"],
)
def test_what_cannot_be_read(value: str) -> None:
    with pytest.raises(MalformedBody):
        read(value)


@pytest.mark.parametrize("part", [" ", ";", "a;", ",", "a=", 'a="\\', "a\t=\t", ";a=b"])
def test_a_hostile_header_is_read_once(part: str) -> None:
    begun = time.process_time()
    with contextlib.suppress(MalformedBody):
        read("respond-async" + part * 20_000 + "\x00")
    assert time.process_time() - begun < 0.5
