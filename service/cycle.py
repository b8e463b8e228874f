"""One request and its answer on a connection: uvicorn's own, with the bytes handed on as they came and sent in one piece.

Invariant: what goes over the wire is what uvicorn would send. Its cycle joins the parts of a body and copies them twice, and
writes the head of an answer apart from its body, which is one system call and one packet more for every answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

__all__ = ["Cycle"]

_HIGH_WATER: Final = 2**20
"""Bytes of a body that wait to be taken before the client is told to wait."""
_JOINED: Final = 2**16
"""Bytes of an answer up to which copying them behind the head costs less than handing over two pieces."""
_LARGE: Final = 2**20
"""Bytes of an answer from which on it counts as sent when the client has taken it, and not when it waits to be taken."""
_STALLED: Final = 60.0
"""Seconds after which a client that has taken nothing of such an answer is cut off."""
_OF_THE_CONNECTION: Final = frozenset({b"transfer-encoding", b"connection"})


class Cycle(RequestResponseCycle):
    """What answers one request. Everything that uvicorn's cycle is made with and has, this one has too.

    Args:
        scope: of the request.
        transport, flow, logger, event, default_headers: of the connection, whose requests follow each other.
        keep_alive: whether the connection stays after the answer.
        expect_100_continue: whether the client waits to be asked for the body.
        on_response: called when the answer has been sent.
    """

    access_log = False
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    _waiting = 0
    _told = False
    _head = b""

    def __init__(  # uvicorn's sets all of the above on every cycle anew
        self,
        scope: Any,
        transport: asyncio.Transport,
        flow: FlowControl,
        logger: logging.Logger,
        event: asyncio.Event,
        default_headers: list[tuple[bytes, bytes]],
        keep_alive: bool,
        expect_100_continue: bool,
        on_response: Callable[..., None],
    ) -> None:
        self.scope = scope
        self.transport = transport
        self.flow = flow
        self.logger = logger
        self.message_event = event
        self.default_headers = default_headers
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expect_100_continue
        self.on_response = on_response
        self._parts: deque[bytes] = deque()

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
            # Otherwise it is for the end that somebody waits, and what comes is for requests behind this.
            if self.more_body:
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
            done = self._send_first(message)
        else:
            done = not (self.response_started or self.disconnected) and self._hold(message)
        if not done:
            await super().send(message)
        if self.flow.write_paused and len(message.get("body", b"")) >= _LARGE:
            await self._taken()

    async def _taken(self) -> None:
        """Wait until the client has taken what it was sent."""
        left = self.transport.get_write_buffer_size()
        while self.flow.write_paused:
            taking = asyncio.ensure_future(self.flow.drain())
            try:
                await asyncio.wait([taking], timeout=_STALLED)
            finally:
                taking.cancel()
            if self.flow.write_paused:
                before, left = left, self.transport.get_write_buffer_size()
                if left >= before:
                    self.transport.abort()
                    return

    def _hold(self, message: Any) -> bool:
        """Keep the head of an answer until there is a body to go with it; False where uvicorn is to look at it."""
        status = message.get("status", 0)
        if self.scope["method"] == "HEAD" or status < 200 or status in {204, 304}:
            return False
        lines = [STATUS_LINE[status]]
        length = None
        for header in (*self.default_headers, *message.get("headers", ())):
            line = _lines.get(header)
            if line is None:
                name, value = header
                if name == b"content-length":
                    length = int(value)
                if (line := _line(name, value)) is None:
                    return False
            lines.append(line)
        if length is None:
            return False
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        self._head = b"".join(lines)
        self.response_started, self.waiting_for_100_continue = True, False
        self.chunked_encoding, self.expected_content_length = False, length
        return True

    def _send_first(self, message: Any) -> bool:
        """The head with the whole body, in one write; where that is not all, the head alone, and False."""
        head, self._head = self._head, b""
        if self.disconnected:
            return True
        body = message.get("body", b"")
        if message.get("more_body", False) or len(body) != self.expected_content_length or self.flow.write_paused:
            self.transport.write(head)
            return False
        if len(body) <= _JOINED:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        self.expected_content_length, self.response_complete = 0, True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


_lines: Final[dict[tuple[bytes, bytes], bytes]] = {}
"""Headers that many answers have, as they are sent."""
_names: Final[set[bytes]] = set()
"""Names of headers that may be sent as they are: the same few are asked for again and again."""
_MOST: Final = 256
_OF_MANY: Final = frozenset({b"cache-control", b"content-type", b"date", b"vary", b"x-content-type-options"})


def _line(name: bytes, value: bytes) -> bytes | None:
    """A header as it is sent; None where uvicorn has to look at it.

    A line end in a name or a value would begin a header of its own: uvicorn says what is wrong with it.
    """
    if (name not in _names and not _is_name(name)) or HEADER_VALUE_RE.search(value) is not None:
        return None
    line = b"%b: %b\r\n" % (name, value)
    if name in _OF_MANY:
        if len(_lines) >= _MOST:
            _lines.clear()
        _lines[name, value] = line
    return line


def _is_name(name: bytes) -> bool:
    if name in _OF_THE_CONNECTION or name != name.lower() or HEADER_RE.search(name) is not None:
        return False
    if len(_names) < _MOST:
        _names.add(name)
    return True
