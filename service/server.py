"""One process that serves: a bound socket, uvicorn on uvloop, and signals that finish what is running and leave with 0.

uvicorn by itself raises a caught SIGTERM again (status -15), and goes on waiting after a second one.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Final

import uvicorn

from core.errors import CoreError
from service import logs, telemetry
from service.access import Door, KeyFile
from service.allocator import keep_large_blocks, keep_objects
from service.app import create_app
from service.errors import ServiceError, StorageUnavailable
from service.protocol import Protocol
from service.settings import Settings

__all__ = ["StartError", "serve"]

_server_log: Final = logging.getLogger("uvicorn.error")
_BACKLOG: Final = 2048
_KEEP_ALIVE: Final = 75
"""Seconds; more than the 5 of common clients, so that it is they who close an idle connection and no request is lost."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StartError(Exception):
    """The service could not start; the message is one line for whoever started it."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; everything that was running is answered when this returns.

    Raises:
        StartError: the address is taken, or the store or the backend cannot be opened.
    """
    keep_large_blocks()
    if lacking := telemetry.missing(settings):
        raise StartError(lacking)
    _log_to_stderr(settings)
    with _bound(settings.host, settings.port) as listener:
        app = create_app(settings, _door(settings, listener))
        config = uvicorn.Config(
            # FastAPI's own entrance has something to do for traces alone.
            app if settings.telemetry or app.middleware_stack is None else app.middleware_stack,
            loop="uvloop",
            http=Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,  # ours says more
            # Only a line for each request and traces say who the client of a proxy is.
            proxy_headers=settings.access_log or settings.telemetry,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=settings.shutdown_seconds,  # type: ignore[arg-type]  # asyncio takes fractions
        )
        server = _Server(config, f"http://{_address(listener)}")
        try:
            server.run(sockets=[listener])
        except SystemExit:  # uvicorn's way to say that the lifespan did not start
            reason = app.state.cannot_start
            if isinstance(reason, ServiceError | CoreError):
                raise StartError(reason.detail) from reason
            raise reason from None


class _Server(uvicorn.Server):
    """uvicorn's server, with one line when it listens and our reading of the signals."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        keep_objects()
        _server_log.setLevel(logging.WARNING)
        about = self.lifespan.state["about"]
        sys.stderr.write(f"gradwire: listening on {self._url}, {about}\n")
        sys.stderr.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state["jobs"].leave()  # who waits for a job hears how it stands, and asks the next process
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signature of a handler
        if self.should_exit:
            # What was answered is on disk, and the rest may be lost: nothing is left that would need an orderly end.
            os._exit(128 + sig)
        self.should_exit = True


def _door(settings: Settings, listener: socket.socket) -> Door:
    """Who may come in. Raises `StartError` where anybody could, and nobody has said that anybody may."""
    address = ipaddress.ip_address(listener.getsockname()[0])
    mapped = getattr(address, "ipv4_mapped", None)
    local = (mapped or address).is_loopback
    door = Door(KeyFile(settings.data), without_key=local, always=settings.allow_anonymous)
    try:
        door.read()
    except StorageUnavailable as error:
        raise StartError(error.detail) from error
    if not (local or settings.allow_anonymous or len(door)):
        raise StartError(
            f"{settings.host} can be reached from other machines, and there are no keys: make one with"
            f" `gradwire keys create --data {settings.data}`, or let anybody in with --allow-anonymous"
        )
    return door


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)  # now, so that a second server on the port fails here and not after it opened a store
    except OSError as error:
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _log_to_stderr(settings: Settings) -> None:
    logs.configure(settings.log_format)
    # A start that fails says so in one line, and uvicorn would log its traceback before; `startup` lowers the level.
    _server_log.setLevel(logging.CRITICAL)
