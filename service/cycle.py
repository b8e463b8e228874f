"""One request and its answer on a connection: uvicorn's own, with the bytes handed on as they came and sent in one piece.

Invariant: what goes over the wire is what uvicorn would send. Its cycle joins the parts of a body and copies them twice, and
writes the head of an answer apart from its body, which is one system call and one packet more for every answer.
"""

from __future__ import annotations

import re
from collections import deque
from functools import lru_cache
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, RequestResponseCycle

__all__ = ["Cycle"]

_HIGH_WATER: Final = 2**20
"""Bytes of a body that wait to be taken before the client is told to wait."""
_JOINED: Final = 2**16
"""Bytes of an answer up to which copying them behind the head costs less than handing over two pieces."""


class Cycle(RequestResponseCycle):
    """What answers one request.

    uvicorn makes its cycle in the middle of a method that does everything else too; `of` makes that one this one.
    """

    _parts: deque[bytes]
    _waiting: int
    _told: bool
    _head: bytes

    @classmethod
    def of(cls, cycle: RequestResponseCycle) -> Cycle:
        """The same cycle, before any byte of its body has come."""
        cycle.__class__ = cls
        made = cast("Cycle", cycle)
        made._parts, made._waiting, made._told, made._head = deque(), 0, False, b""
        return made

    def add(self, part: bytes) -> None:
        """A part of the body has come."""
        self._parts.append(part)
        self._waiting += len(part)
        if self._waiting > _HIGH_WATER:
            self.flow.pause_reading()
        self.message_event.set()

    async def receive(self) -> Any:
        """The next part of the body, as it came; then, when there is one, the end of the connection."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        while not (self._parts or self._has_ended or self.disconnected or self.response_complete):
            self.flow.resume_reading()
            self.message_event.clear()
            await self.message_event.wait()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        part = self._parts.popleft() if self._parts else b""
        self._waiting -= len(part)
        more = self.more_body or bool(self._parts)
        self._told = not more
        return {"type": "http.request", "body": part, "more_body": more}

    @property
    def _has_ended(self) -> bool:
        return not self.more_body and not self._told

    async def send(self, message: Any) -> None:
        """Send a part of the answer; its head goes with the first part of its body where its length is known."""
        if self._head and message["type"] == "http.response.body":
            await self._send_first(message)
        elif self.response_started or self.disconnected or not self._hold(message):
            await super().send(message)

    def _hold(self, message: Any) -> bool:
        """Keep the head of an answer until there is a body to go with it; False where uvicorn is to look at it."""
        status = message.get("status", 0)
        if self.scope["method"] == "HEAD" or status < 200 or status in {204, 304}:
            return False
        lines = [STATUS_LINE[status]]
        length = None
        for name, value in (*self.default_headers, *message.get("headers", ())):
            if name == b"content-length":
                length = int(value)
            elif name in _OF_THE_CONNECTION or not _is_name(name):
                return False
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        head = b"".join(lines)
        ends = len(lines) // 4 + (2 if self.keep_alive else 3)
        # A line end in a name or a value would begin a header of its own: uvicorn says what is wrong with it.
        if length is None or head.count(b"\n") != ends or head.count(b"\r") != ends or _CONTROL.search(head):
            return False
        self._head = head
        self.response_started, self.waiting_for_100_continue = True, False
        self.chunked_encoding, self.expected_content_length = False, length
        return True

    async def _send_first(self, message: Any) -> None:
        """The head with the whole body, in one write; or, where that is not all, the head alone."""
        head, self._head = self._head, b""
        body = message.get("body", b"")
        if message.get("more_body", False) or len(body) != self.expected_content_length or self.flow.write_paused:
            self.transport.write(head)
            await super().send(message)
            return
        if self.disconnected:
            return
        if len(body) <= _JOINED:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        self.expected_content_length, self.response_complete = 0, True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


@lru_cache(maxsize=256)
def _is_name(name: bytes) -> bool:
    """Whether a header's name may be sent as it is; the same few are asked for again and again."""
    return name == name.lower() and HEADER_RE.search(name) is None


_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What no header may hold, but for the line ends between them."""
_OF_THE_CONNECTION: Final = frozenset({b"transfer-encoding", b"connection"})
