"""What every request passes through first and every answer last: its id, its numbers, the headers that all answers have.

A client that hangs up takes its request with it: the task that answers is cancelled, and whatever of it still waits for
a turn or a thread goes. What has been handed to the store is finished all the same.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
from collections.abc import Awaitable
from time import perf_counter
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.codecs.headers import by_name
from service.engine.memory import Memory
from service.logs import ACCESS, REQUEST_ID
from service.metrics import Metrics
from service.problems import STATUS
from service.routers.endpoint import TEMPLATE

__all__ = ["CALLER", "GONE", "TASK", "Front"]

TASK: Final = "gradwire.task"
"""Where the scope of a request has the task that answers it."""
GONE: Final = "gradwire.gone"
"""Set in the scope of a request whose client has hung up."""
CALLER: Final = "gradwire.caller"
"""Where the scope of a request has the id of the key that it came with, if it came with one."""

_log = logging.getLogger(ACCESS)
_READS: Final = frozenset({"GET", "HEAD"})
_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_COUNTED_FROM: Final = 2**20
"""Bodies from this size on, and those of unknown size, are counted as they come in; answers, until they have gone out."""
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
_NO_STORE: Final = (b"cache-control", b"no-store")
_HUNG_UP: Final = 499


class Front:
    """The outermost layer of the application.

    Args:
        app: what answers.
        metrics: told of every request, under the template of its route.
        memory: what large bodies are held against while they come in, and large answers until the client has taken them.
        access_log: whether to write a line for each request.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, memory: Memory, *, access_log: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._memory = memory
        self._access_log = access_log
        self._started = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        self._metrics.begun()
        headers = by_name(scope)
        identity = self._identity(headers.get(b"x-request-id"))
        REQUEST_ID.set(identity)
        body = self._body(headers, receive)
        answer = _Answer(scope, send, identity, self._memory, body)
        try:
            await self._app(scope, body.receive if isinstance(body, _Body) else receive, answer.send)
        except asyncio.CancelledError:
            if GONE not in scope:
                raise
            scope[STATUS] = _HUNG_UP  # nobody reads it; the number is for the metrics
        finally:
            came = body.end() if isinstance(body, _Body) else body
            self._memory.give(answer.held)
            seconds = perf_counter() - begun
            route = scope.get(TEMPLATE, "unknown")
            status = scope.get(STATUS, 500)
            self._metrics.answered(scope["method"], route, status, seconds, came=came, went=answer.sent)
            if self._access_log:
                _tell(scope, status, answer.sent, seconds)

    def _identity(self, given: bytes | None) -> str:
        if given is not None and _ID.fullmatch(given):
            return given.decode("ascii")
        return f"{self._started}-{next(self._numbers):x}"

    def _body(self, headers: dict[bytes, bytes], receive: Receive) -> _Body | int:
        """The bytes of a body that is small; one that is large, or of unknown size, counts them as they come."""
        length = int(headers.get(b"content-length", 0))
        if length < _COUNTED_FROM and b"transfer-encoding" not in headers:
            return length
        return _Body(receive, self._memory)


class _Body:
    """A body that is held against the memory from its first byte to the answer's last."""

    def __init__(self, receive: Receive, memory: Memory) -> None:
        self._receive = receive
        self._memory = memory
        self.held = 0

    async def receive(self) -> Message:
        """The next part. Raises `Overloaded` where the requests at work hold too much already."""
        message = await self._receive()
        size = len(message.get("body", b""))
        self._memory.take(size, 1.0)
        self.held += size
        return message

    def end(self) -> int:
        """Give the memory back; how many bytes have come."""
        self._memory.give(self.held)
        return self.held


class _Answer:
    """An answer on its way out."""

    __slots__ = ("_body", "_identity", "_memory", "_scope", "_send", "held", "sent")

    def __init__(self, scope: Scope, send: Send, identity: str, memory: Memory, body: _Body | int) -> None:
        self._scope = scope
        self._send = send
        self._identity = identity
        self._memory = memory
        self._body = body
        self.held = self.sent = 0

    def send(self, message: Message) -> Awaitable[None]:
        """Send a part. Raises `Overloaded` where the answer is large and the requests at work hold too much already."""
        if message["type"] == "http.response.start":
            self._hold(message)
            self._scope[STATUS] = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self._identity.encode()), _NOSNIFF]
            # Answers to other methods are kept by no cache anyway.
            if self._scope["method"] in _READS and not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NO_STORE)
            message = {**message, "headers": headers}
        else:
            self.sent += len(message.get("body", b""))
        return self._send(message)  # which is awaited by whoever sends: one coroutine less for each message

    def _hold(self, start: Message) -> None:
        for name, value in start.get("headers", ()):
            if name == b"content-length":
                if len(value) > 6 and (size := int(value)) >= _COUNTED_FROM and self._scope["method"] != "HEAD":
                    own = self._body.held if isinstance(self._body, _Body) else 0
                    self._memory.take(size, 1.0, own)
                    self.held = size
                return


def _tell(scope: Scope, status: int, sent: int, seconds: float) -> None:
    """A line about one request, with what a machine wants to read besides."""
    client = ":".join(map(str, scope["client"] or ("-",)))
    query = scope["query_string"]
    path = (scope["raw_path"] + (b"?" + query if query else b"")).decode("ascii", "backslashreplace")
    members: dict[str, Any] = {
        "client": client,
        "method": scope["method"],
        "path": path,
        "route": scope.get(TEMPLATE, "unknown"),
        "status": status,
        "seconds": round(seconds, 6),
        "bytes": sent,
    }
    if key := scope.get(CALLER):
        members["key"] = key
    line = '%s - "%s %s HTTP/%s" %d %d bytes %.1f ms'
    values = (client, scope["method"], path, scope["http_version"], status, sent, 1000 * seconds)
    _log.info(line, *values, extra={"access": members})
