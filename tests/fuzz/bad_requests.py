"""The corpus of bad requests (bad_requests.toml), read, and sent to a server as it is written."""

from __future__ import annotations

import socket
import tomllib
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

__all__ = ["Answer", "BadRequest", "load", "send"]

CORPUS = Path(__file__).with_suffix(".toml")
_WINDOWS = {"gzip": 31, "deflate": 15}


@dataclass(frozen=True)
class BadRequest:
    name: str
    problem: str
    pointer: str | None
    sent: bytes = field(repr=False)
    """All of it, with places in braces."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def load() -> list[BadRequest]:
    """Every case of the corpus."""
    return [_read(case) for case in tomllib.loads(CORPUS.read_text(encoding="utf-8"))["case"]]


def send(url: str, case: BadRequest, places: dict[str, str]) -> Answer:
    """What the server answers; the connection is the request's own, and its bytes are as they were written."""
    host, _, port = url.removeprefix("http://").partition(":")
    line, end, rest = case.sent.partition(b"\r\n")
    for name, value in places.items():
        line = line.replace(f"{{{name}}}".encode(), value.encode())
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        with suppress(ConnectionError):  # refused before all of it was sent: the answer is there
            connection.sendall(line + end + rest)
        response = HTTPResponse(connection)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def _read(case: dict[str, Any]) -> BadRequest:
    sent = case["raw"].encode("latin-1") if "raw" in case else _written(case)
    return BadRequest(case["name"], case["problem"], case.get("pointer"), sent)


def _written(case: dict[str, Any]) -> bytes:
    body = _body(case)
    lines = [f"{case['send']} HTTP/1.1", "host: x", "connection: close"]
    lines += [f"{name}: {value}" for name, value in case.get("headers", [])]
    if "packing" in case:
        lines.append(f"content-encoding: {case['packing']}")
    if body is not None:
        lines.append("transfer-encoding: chunked" if case.get("chunked") else f"content-length: {len(body)}")
        body = b"".join(_chunks(body)) if case.get("chunked") else body
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def _body(case: dict[str, Any]) -> bytes | None:
    if "json" in case:
        return case["json"].encode()
    if "packed" not in case:
        return None
    body = "".join(piece * times for piece, times in case["packed"]).encode()
    if "packing" in case:
        packer = zlib.compressobj(wbits=_WINDOWS[case["packing"]])
        body = packer.compress(body) + packer.flush()
    return body[: len(body) - case.get("cut", 0)] + bytes.fromhex(case.get("added", ""))


def _chunks(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), 50_000):
        piece = body[at : at + 50_000]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
