"""HTTP/1.1 on one connection: uvicorn's own protocol, with less to do for each request, and ways out for who hangs up.

Invariant: what an application is given, and what goes over the wire, is what it would be with uvicorn's. Three things are
ours: bytes that are no HTTP are refused with a problem document, a client that hangs up takes its work along, and a call
that computes begins at once: what is answered without waiting for anything has no task made for it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextvars import copy_context
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import unquote

import orjson
from httptools import parse_url
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.begun import Begun
from service.cycle import Cycle
from service.front import GONE, TASK
from service.gate import ARRIVED
from service.problems import PROBLEMS, Face

__all__ = ["Protocol"]

_ASGI: Final[Any] = {"version": "3.0", "spec_version": "2.3"}
_LONGEST_KEPT: Final = 200
"""Bytes of a URL up to which what was read in it is kept: clients ask for the same few again and again."""
_REFUSED: Final = (
    b"content-type: application/problem+json\r\ncontent-length: %d\r\n"
    b"x-request-id: %b\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
)
"""The head of an answer to what no application sees; the rest of the service sends the same."""
_ENOUGH: Final = 0.01
"""Seconds that the event loop gives to requests one after another; the others are read meanwhile, and take their turns."""


@lru_cache(maxsize=1024)
def _parsed(url: bytes) -> tuple[str, bytes, bytes]:
    """Its path, as text and as it came, and its query. Raises what uvicorn raises, and refuses with 400."""
    parts = parse_url(url)
    path = parts.path.decode("ascii")
    return unquote(path) if "%" in path else path, parts.path, parts.query or b""


class Protocol(HttpToolsProtocol):
    """What uvicorn makes for each connection."""

    at_once: tuple[str, ...] = ("/feedforward", "/backprop", "/sgd-step")
    """Ends of the paths of what begins at once. What answers there does not ask which task it is in: there may be none."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin; what all requests of the connection share is made here."""
        super().connection_made(transport)
        self._event = asyncio.Event()
        self._idle_since: float | None = None
        self._next: Cycle | None = None
        self._answered: RequestResponseCycle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Take back the work of a client that has hung up; uvicorn only tells whoever asks, and nobody does in a queue."""
        super().connection_lost(exc)
        self._stop_watching()
        # Not the last one that came, which is all that uvicorn tells: that one may wait behind it.
        cycle = self._answered
        if cycle is None or cycle.response_complete:
            return
        cycle.disconnected = True
        scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]  # ASGI leaves room for more
        task: asyncio.Task[None] | None = scope.get(TASK)
        if task is not None:
            scope[GONE] = True
            task.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no HTTP as everything else is refused."""
        identity = secrets.token_hex(8)
        body = orjson.dumps(Face(PROBLEMS["malformed-body"], msg).document | {"request_id": identity})
        head = _REFUSED % (len(body), identity.encode())
        self.transport.write(STATUS_LINE[400] + head + body)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """What has come: take it apart, and begin with the request that is there."""
        super().data_received(data)
        if (cycle := self._next) is not None:
            self._next = None
            if not self.transport.is_closing():
                self._begin(cycle)

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
            # When the loop woke up: what was read later has waited since then for what was read before.
            ARRIVED: self.loop.time(),
        }
        self.scope = scope  # type: ignore[assignment]  # uvicorn's type leaves no room for more, as ASGI does

    def on_headers_complete(self) -> None:
        """A request is to be answered, unless an earlier one of this connection has not been answered yet."""
        parser, scope = self.parser, cast("dict[str, Any]", self.scope)
        version = parser.get_http_version()
        parsed = _parsed if len(self.url) <= _LONGEST_KEPT else _parsed.__wrapped__
        scope["path"], scope["raw_path"], scope["query_string"] = parsed(self.url)
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
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
            self._next = self.cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _begin(self, cycle: Cycle) -> None:
        self._answered = cycle
        whole = not cycle.more_body and cycle.scope["path"].endswith(self.at_once)
        if not whole or time.monotonic() - self.loop.time() > _ENOUGH:
            self._start_asgi_task(cycle, self.app)
            return
        context = copy_context()
        answering = cycle.run_asgi(self.app)
        try:
            awaited = context.run(answering.send, None)
        except StopIteration:
            return
        self._watch_over(self.loop.create_task(Begun(answering, awaited), context=context), cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        self._watch_over(self.loop.create_task(cycle.run_asgi(app)), cycle)

    def _watch_over(self, task: asyncio.Task[None], cycle: RequestResponseCycle) -> None:
        cast("dict[str, Any]", cycle.scope)[TASK] = task
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if not self.cycle.response_complete:
            cast("Cycle", self.cycle).add(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self._event.set()
            if not self.pipeline:
                self.flow.resume_reading()  # no more of it will come that would have to wait: hear of a client that hangs up

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
