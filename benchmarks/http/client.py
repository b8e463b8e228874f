"""One keep-alive connection over a bare socket: no more between the clock and the server than the kernel.

Invariant: a request is sent whole from bytes made before; of the answer, the head is read as far as its length and status.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Connection", "Reply", "Request"]


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire."""

    head: bytes
    body: bytes

    @classmethod
    def post(cls, path: str, media: str, body: bytes, headers: Mapping[str, str] | None = None) -> Request:
        """The headers are those that any client sends."""
        lines = [
            f"POST {path} HTTP/1.1",
            "host: 127.0.0.1",
            "accept: */*",
            "user-agent: bench",
            f"content-type: {media}",
        ]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += [f"content-length: {len(body)}", "", ""]
        return cls("\r\n".join(lines).encode(), body)

    @classmethod
    def get(cls, path: str, media: str = "*/*") -> Request:
        """A GET that takes one media type."""
        return cls(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: {media}\r\n\r\n".encode(), b"")


@dataclass(frozen=True)
class Reply:
    """What came back, and how long that took from the first byte sent to the last one read."""

    status: int
    body: bytearray
    seconds: float


class Connection:
    """A connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request: Request) -> Reply:
        """Send a request and wait for the whole answer.

        Raises:
            ConnectionError: the server hung up.
        """
        begun = time.perf_counter()
        self.send(request)
        status, body = self.receive()
        return Reply(status, body, time.perf_counter() - begun)

    def send(self, request: Request) -> None:
        """Send a request, whose answer is to be received before the next."""
        small = len(request.body) < 65536
        self._socket.sendall(request.head + request.body if small else request.head)
        if not small:
            self._socket.sendall(request.body)

    def receive(self) -> tuple[int, bytearray]:
        """The status and the body of the answer that comes next."""
        head, body = self._head()
        length = _length(head)
        whole = bytearray(length)
        whole[: len(body)] = body
        view, at = memoryview(whole), len(body)
        while at < length:
            count = self._socket.recv_into(view[at:])
            if not count:
                raise ConnectionError("the server hung up")
            at += count
        return int(head[9:12]), whole

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _head(self) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError("the server hung up")
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        return head, body


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ConnectionError(f"an answer without a length: {head!r}")
