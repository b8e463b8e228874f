"""HTTP/1.1 on one connection: uvicorn's own protocol, with less to do for each request, and ways out for who hangs up.

Invariant: what an application is given, and what goes over the wire, is what it would be with uvicorn's. Two things are
ours: bytes that are no HTTP are refused with a problem document, and a client that hangs up takes its work along.
"""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import Any, Final, cast
from urllib.parse import unquote

from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.cycle import Cycle
from service.front import GONE, TASK
from service.gate import ARRIVED

__all__ = ["Protocol"]

_ASGI: Final[Any] = {"version": "3.0", "spec_version": "2.3"}


class Protocol(HttpToolsProtocol):
    """What uvicorn makes for each connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin; what all requests of the connection share is made here."""
        super().connection_made(transport)
        self._event = asyncio.Event()
        self._idle_since: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Take back the work of a client that has hung up; uvicorn only tells whoever asks, and nobody does in a queue."""
        super().connection_lost(exc)
        self._stop_watching()
        if self.cycle is None or self.cycle.response_complete:
            return
        scope: dict[str, Any] = self.cycle.scope  # type: ignore[assignment]  # ASGI leaves room for more
        task: asyncio.Task[None] | None = scope.get(TASK)
        if task is not None:
            scope[GONE] = True
            task.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no HTTP as everything else is refused."""
        problem = {
            "type": "/problems/malformed-body",
            "title": "Malformed request",
            "status": 400,
            "detail": msg,
            "errors": [],
            "error": msg,
        }
        body = json.dumps(problem).encode()
        head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[400] + head + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        """The first bytes of a request."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "headers": self.headers,
            "state": self.app_state.copy(),
            ARRIVED: perf_counter(),
        }
        self.scope = scope  # type: ignore[assignment]  # uvicorn's type leaves no room for more, as ASGI does

    def on_headers_complete(self) -> None:
        """Begin to answer, unless an earlier request of this connection has not been answered yet."""
        parser, scope = self.parser, cast("dict[str, Any]", self.scope)
        version = parser.get_http_version()
        url = parse_url(self.url)
        path = url.path.decode("ascii")
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before = self.cycle
        self.cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self._event,
            self.server_state.default_headers,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            expect_100_continue=self.expect_100_continue,
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if not self.cycle.response_complete:
            cast("Cycle", self.cycle).add(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self._event.set()

    def _unset_keepalive_if_required(self) -> None:
        """Something has come. uvicorn cancels its timer here; this one goes on, and looks whether anything has."""
        self._idle_since = None

    def on_response_complete(self) -> None:
        """An answer has been sent: begin with the next request, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing has come for so long since its last answer."""
        self.timeout_keep_alive_task = None
        if self.transport.is_closing():
            return
        idle = 0.0 if self._idle_since is None else self.loop.time() - self._idle_since
        if idle >= self.timeout_keep_alive:
            self.transport.close()
        else:
            self._watch(self.timeout_keep_alive - idle)

    def _watch(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _stop_watching(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
