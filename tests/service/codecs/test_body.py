"""Bodies are counted while they arrive, and refused before they are read where that is known."""

from __future__ import annotations

import asyncio
import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable
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


@pytest.mark.parametrize("encoding", ["br", "zstd", "x", "gzip, gzip", "deflate, gzip", "identity, br"])
def test_unknown_encodings_are_refused_before_the_body_is_read(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="content encoding") as caught:
        asyncio.run(read_body(_unread({"content-encoding": encoding}), 100))
    assert caught.value.supported == ("gzip", "deflate", "identity")


def test_an_encoding_in_a_second_header_counts() -> None:
    headers = [(b"content-encoding", b"identity"), (b"content-encoding", b"br")]
    twice = Request({"type": "http", "method": "POST", "headers": headers}, _unread({}).receive)
    with pytest.raises(UnsupportedMediaType):
        asyncio.run(read_body(twice, 100))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("written", ["{}", "identity, {}", "{},identity"])
@pytest.mark.parametrize("encoding", ["gzip", "GZip", "x-gzip", "deflate"])
def test_an_encoded_body(encoding: str, written: str, chunks: int) -> None:
    body = random.Random(0).randbytes(3 * 2**20) + bytes(2**20)
    packed = PACKERS[encoding.lower()](body)
    assert _read(packed, {"content-encoding": written.format(encoding)}, 2**22, chunks) == body


def test_gzip_in_several_members() -> None:
    pieces = [b"", b"one", bytes(2**21), b"end"]
    packed = b"".join(map(gzip.compress, pieces))
    assert _read(packed, {"content-encoding": "gzip"}, 2**22) == b"".join(pieces)
    with pytest.raises(MalformedBody, match="after the end"):
        _read(gzip.compress(b"") * 65, {"content-encoding": "gzip"}, 2**22)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [10**4, 2 * 10**7])
def test_the_limit_is_of_the_expanded_body(encoding: str, size: int) -> None:
    packed = PACKERS[encoding](bytes(size))
    limit = max(size // 10, len(packed))
    with pytest.raises(TooLarge) as caught:
        _read(packed, {"content-encoding": encoding}, limit)
    assert limit < caught.value.figures["bytes"] <= limit + 2**20  # it was not expanded further
    assert len(_read(packed, {"content-encoding": encoding}, size)) == size


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bytes_that_are_not_in_their_encoding(encoding: str) -> None:
    whole = PACKERS[encoding](b"a body of some length")
    for broken in (b"x", whole[:-1], whole[:5], whole[1:], whole + b"x", whole[:-3] + b"xxx"):
        with pytest.raises(MalformedBody):
            _read(broken, {"content-encoding": encoding}, 1000)
    assert _read(b"", {"content-encoding": encoding}) == b""


def test_a_body_in_parts_is_in_memory_once() -> None:
    size = 48 * 2**20
    body = request(b"", {"content-length": str(size)})
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        sent += 2**18
        return {"type": "http.request", "body": bytes(2**18), "more_body": sent < size}

    async def length() -> int:  # asyncio.run would make the text of a longer result
        return len(await read_body(body, size))

    body._receive = receive
    tracemalloc.start()
    try:
        assert asyncio.run(length()) == size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * size


def test_a_length_alone_takes_no_memory() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    tracemalloc.start()
    try:
        headers = [(b"content-length", str(2**30).encode())]
        with pytest.raises(ClientDisconnect):
            asyncio.run(read_body(Request({"type": "http", "method": "POST", "headers": headers}, receive), 2**31))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", "identity,identity"])
def test_identity_is_no_encoding(encoding: str) -> None:
    assert _read(b"{}", {"content-encoding": encoding}) == b"{}"


def test_a_client_that_hangs_up_is_not_answered() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        asyncio.run(read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 100))
