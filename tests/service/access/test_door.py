"""The door: who is let in by which header, how soon a change is noticed, and how an allowance fills up."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.access import ANONYMOUS, Caller, Door, KeyFile, Limits
from service.access.callers import Allowance
from service.errors import RateLimited, Unauthorized

Header = tuple[bytes, bytes]
ACCEPT = (b"accept", b"*/*")


def bearer(secret: str) -> list[Header]:
    return [ACCEPT, (b"authorization", b"Bearer " + secret.encode())]


def door(folder: Path, *, without_key: bool = True, always: bool = False) -> Door:
    return Door(KeyFile(folder), without_key=without_key, always=always)


def test_without_keys_everybody_is_nobody(tmp_path: Path) -> None:
    opened = door(tmp_path)
    assert opened.admit([ACCEPT], 0.0) is ANONYMOUS
    assert opened.admit(bearer("whatever"), 0.0) is ANONYMOUS
    closed = door(tmp_path, without_key=False)
    for headers in ([ACCEPT], bearer("whatever")):
        with pytest.raises(Unauthorized):
            closed.admit(headers, 0.0)


def test_a_key_is_noticed_within_half_a_second_and_closes_the_door_for_good(tmp_path: Path) -> None:
    opened, file = door(tmp_path), KeyFile(tmp_path)
    assert opened.admit([], 10.0) is ANONYMOUS
    key, secret = file.create("", "team", Limits())
    assert opened.admit([], 10.4) is ANONYMOUS
    with pytest.raises(Unauthorized) as refused:
        opened.admit([], 10.6)
    assert not refused.value.given
    caller = opened.admit(bearer(secret), 10.6)
    assert (caller.owner, caller.key) == ("team", key.id)
    file.revoke(key.id)
    assert opened.admit(bearer(secret), 10.9) is caller
    with pytest.raises(Unauthorized) as refused:
        opened.admit(bearer(secret), 11.2)
    assert refused.value.given
    (tmp_path / "keys.json").unlink()
    with pytest.raises(Unauthorized):
        opened.admit([], 20.0)


def test_always_open_and_still_strict_with_keys(tmp_path: Path) -> None:
    _, secret = KeyFile(tmp_path).create("", "", Limits())
    opened = door(tmp_path, without_key=False, always=True)
    assert opened.admit([], 0.0) is ANONYMOUS
    assert opened.admit(bearer(secret), 0.0).owner.startswith("key_")
    with pytest.raises(Unauthorized):
        opened.admit(bearer("wrong"), 0.0)


def test_a_damaged_file_lets_nobody_in_until_it_is_mended(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    _, secret = file.create("", "", Limits())
    opened = door(tmp_path)
    good = (tmp_path / "keys.json").read_text()
    assert opened.admit(bearer(secret), 0.0).key
    (tmp_path / "keys.json").write_text("{")
    for now in (1.0, 2.0):
        with pytest.raises(Unauthorized):
            opened.admit(bearer(secret), now)
    (tmp_path / "keys.json").write_text(good)
    assert opened.admit(bearer(secret), 3.0).key


def test_an_allowance_outlives_changes_of_other_keys(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    _, secret = file.create("", "", Limits(requests_per_second=1.0))
    opened = door(tmp_path)
    opened.admit(bearer(secret), 0.0)
    file.create("", "", Limits())
    with pytest.raises(RateLimited):
        opened.admit(bearer(secret), 0.6)
    assert len(opened) == 2


def test_callers_are_told_apart_by_identity() -> None:
    assert Caller() != Caller()
    assert len({Caller(), Caller(), ANONYMOUS}) == 3


@pytest.mark.parametrize(("rate", "at_once", "wait"), [(5.0, 5, 1), (1.0, 1, 1), (0.25, 1, 4), (2.5, 2, 1)])
def test_an_allowance(rate: float, at_once: int, wait: int) -> None:
    allowance = Allowance(rate)
    for _ in range(at_once):
        allowance.take(100.0)
    with pytest.raises(RateLimited) as refused:
        allowance.take(100.0)
    assert refused.value.retry_after == wait
    allowance.take(100.0 + wait)


def test_an_allowance_lets_its_rate_through_and_no_more() -> None:
    allowance, through = Allowance(10.0), 0
    for number in range(10_000):
        try:
            allowance.take(1.0 + number / 1000)
        except RateLimited:
            continue
        through += 1
    assert 100 <= through <= 110


def test_a_clock_that_goes_back_gives_nothing() -> None:
    allowance = Allowance(1.0)
    allowance.take(100.0)
    with pytest.raises(RateLimited):
        allowance.take(50.0)
