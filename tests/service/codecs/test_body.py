"""Bodies are counted while they arrive, and refused before they are read where that is known."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from service.codecs.body import read_body
from service.errors import MalformedBody, TooLarge, UnsupportedMediaType
from tests.service.codecs.reading import request


def _read(body: bytes, headers: dict[str, str] | None = None, limit: int = 100, chunks: int = 1) -> bytes:
    return asyncio.run(read_body(request(body, headers or {}, chunks), limit))


@pytest.mark.parametrize("chunks", [1, 2, 7])
def test_a_body_comes_whole(chunks: int) -> None:
    body = bytes(range(100))
    assert _read(body, chunks=chunks) == body
    assert _read(body, {"content-length": "100"}, chunks=chunks) == body


def test_an_empty_body() -> None:
    assert _read(b"") == b""


@pytest.mark.parametrize("chunks", [1, 2, 101])
def test_a_chunked_body_over_the_limit(chunks: int) -> None:
    with pytest.raises(TooLarge, match=r"101 bytes or more; the limit is 100 bytes") as caught:
        _read(bytes(101), chunks=chunks)
    assert caught.value.figures == {"bytes": 101, "limit": 100}


def _unread(headers: dict[str, str]) -> Request:
    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def test_a_long_body_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge) as caught:
        asyncio.run(read_body(_unread({"content-length": "101"}), 100))
    assert caught.value.figures == {"bytes": 101, "limit": 100}


@pytest.mark.parametrize("length", ["-1", "+5", "1_0", "five", "٣", "", "9" * 21])
def test_a_length_that_is_no_number(length: str) -> None:
    headers = [(b"content-length", length.encode("utf-8"))]
    unread = Request({"type": "http", "method": "POST", "headers": headers}, _unread({}).receive)
    with pytest.raises(MalformedBody):
        asyncio.run(read_body(unread, 100))


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip", "gzip, identity"])
def test_encodings_are_refused_before_the_body_is_read(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="content encoding") as caught:
        asyncio.run(read_body(_unread({"content-encoding": encoding}), 100))
    assert caught.value.supported == ("identity",)


def test_an_encoding_in_a_second_header_counts() -> None:
    headers = [(b"content-encoding", b"identity"), (b"content-encoding", b"gzip")]
    twice = Request({"type": "http", "method": "POST", "headers": headers}, _unread({}).receive)
    with pytest.raises(UnsupportedMediaType):
        asyncio.run(read_body(twice, 100))


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", "identity,identity"])
def test_identity_is_no_encoding(encoding: str) -> None:
    assert _read(b"{}", {"content-encoding": encoding}) == b"{}"


def test_a_client_that_hangs_up_is_not_answered() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        asyncio.run(read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 100))
