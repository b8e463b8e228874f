"""If-Match, If-None-Match and Idempotency-Key, read from headers as they come."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from service.errors import MalformedBody
from service.routers.conditions import guard, matches_none


def request(*headers: tuple[str, str], **changes: Any) -> Request:
    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": b"/v1/networks/net_a/sgd-step",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    return Request(scope | changes)


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ('"3"', {3}),
        ('"3","4"', {3, 4}),
        (' "3" ,\t"4",', {3, 4}),
        (',"3"', {3}),
        ('W/"3"', set()),
        ('W/"3", "4"', {4}),
        ('"a", "03", "-1", "3.0", ""', set()),
        ('"9007199254740993"', {2**53 + 1}),
        ('"99999999999999999999"', set()),
        ('"a,"', set()),
    ],
)
def test_if_match_names_versions(header: str, versions: set[int]) -> None:
    assert guard(request(("if-match", header))).if_match == versions


def test_if_match_may_be_absent_or_any_or_there_twice() -> None:
    assert guard(request()).if_match is None
    assert guard(request(("if-match", "*"))).if_match == "*"
    assert guard(request(("if-match", '"1"'), ("if-match", '"2"'))).if_match == {1, 2}


@pytest.mark.parametrize(
    "header", ["", "3", '"3', '3"', '"3" "4"', '*, "3"', "* *", 'w/"3"', 'W/ "3"', '"\x01"', ",", '" "']
)
def test_what_is_no_list_of_tags_is_malformed(header: str) -> None:
    for name, read in (("if-match", guard), ("if-none-match", lambda asked: matches_none(asked, 3))):
        with pytest.raises(MalformedBody):
            read(request((name, header)))


def test_a_long_header_is_read_in_linear_time() -> None:
    long = '"1",' * 20_000
    assert guard(request(("if-match", long))).if_match == {1}
    with pytest.raises(MalformedBody):
        guard(request(("if-match", " ," * 20_000 + "x")))
    for malicious in (long + "x", '"1"' + " ," * 20_000 + "x", '"1"' + " " * 60_000 + "x"):
        with pytest.raises(MalformedBody):
            guard(request(("if-match", malicious)))


def test_if_none_match_compares_weakly() -> None:
    assert matches_none(request(), 3)
    assert matches_none(request(("if-none-match", '"4", "a"')), 3)
    for header in ('"3"', 'W/"3"', '"4", W/"3"', "*"):
        assert not matches_none(request(("if-none-match", header)), 3)


@pytest.mark.parametrize("key", ["k", "!~", "k" * 255, '"quoted"'])
def test_a_key(key: str) -> None:
    assert guard(request(("idempotency-key", key))).key == key


@pytest.mark.parametrize("keys", [[""], ["k" * 256], ["a b"], ["a\x7f"], ["\xe9"], ["a", "a"]])
def test_what_is_no_key(keys: list[str]) -> None:
    with pytest.raises(MalformedBody):
        guard(request(*(("idempotency-key", key) for key in keys)))


def test_the_fingerprint_is_of_the_request_and_not_of_its_condition() -> None:
    key = ("idempotency-key", "k")
    first = guard(request(key), b"{}", "application/json").fingerprint
    assert guard(request(key, ("if-match", '"3"')), b"{}", "application/json").fingerprint == first
    others = [
        guard(request(key), b"{ }", "application/json"),
        guard(request(key), b"{}", "application/vnd.safetensors"),
        guard(request(key, method="PUT"), b"{}", "application/json"),
        guard(request(key, raw_path=b"/v1/networks"), b"{}", "application/json"),
        guard(request(key, query_string=b"a=1"), b"{}", "application/json"),
        # Parts do not run into each other.
        guard(request(key, raw_path=b"/v1/networks/net_a/sgd-ste", query_string=b"p"), b"{}", "application/json"),
    ]
    prints = {other.fingerprint for other in others}
    assert len(prints) == len(others)
    assert first not in prints
    assert guard(request(), b"{}", "application/json").fingerprint == ""
