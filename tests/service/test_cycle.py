"""Our cycle sends over the wire what uvicorn's own would send, and hands an application the bytes that it would hand over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.begun import Begun
from service.protocol import Protocol
from service.routers.computing import CALLS

App = Callable[[Any, Any, Any], Awaitable[None]]
LENGTH = (b"content-length", b"5")


async def body_of(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


def says(*messages: dict[str, Any], reads: bool = False) -> App:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        if reads:
            await body_of(receive)
        for message in messages:
            await send(message)

    return app


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    body = await body_of(receive)
    await send(start((b"content-length", str(len(body)).encode())))
    await send(part(body))


async def raises_after_the_head(_scope: Any, _receive: Any, send: Any) -> None:
    await send(start((b"content-type", b"text/plain")))
    raise RuntimeError


async def reads_past_the_end(_scope: Any, receive: Any, send: Any) -> None:
    """What comes after the body is the end of the connection, and it is waited for."""
    body = await body_of(receive)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(receive(), 0.05)
        body += b" and more"
    await send(start((b"content-length", str(len(body)).encode())))
    await send(part(body))


async def streams(_scope: Any, _receive: Any, send: Any) -> None:
    await send(start((b"content-type", b"text/event-stream")))
    for piece in (b"a", b"", b"bc"):
        await send(part(piece, more=True))
    await send(part(b""))


ended = threading.Event()


async def waits(_scope: Any, _receive: Any, send: Any) -> None:
    """Waits after it has begun, so that a task has to go on with it."""
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    await send(start(LENGTH))
    await send(part(b"began"))


async def waits_long(scope: Any, receive: Any, send: Any) -> None:
    try:
        await asyncio.sleep(3600)
    finally:
        ended.set()
    await waits(scope, receive, send)


async def reads_late(_scope: Any, receive: Any, _send: Any) -> None:
    """When all of a body has come, and more of it than may wait."""
    await asyncio.sleep(0.5)
    await body_of(receive)
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        ended.set()
        raise


async def drips(_scope: Any, receive: Any, send: Any) -> None:
    """A stream without an end, whose client may hang up; the one or the other way of hearing of that will do."""

    async def hears() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    hearing = asyncio.create_task(hears())
    await send(start())
    try:
        while not hearing.done():
            await send(part(b"drop", more=True))
            await asyncio.sleep(0.01)
        ended.set()
    except asyncio.CancelledError:
        ended.set()
        raise
    finally:
        hearing.cancel()


async def tell(send: Any, found: bool) -> None:
    body = str(found).encode()
    await send(start((b"content-length", b"%d" % len(body))))
    await send(part(body))


async def says_ended(_scope: Any, _receive: Any, send: Any) -> None:
    await tell(send, ended.is_set())


async def says_whether_it_has_no_task(_scope: Any, _receive: Any, send: Any) -> None:
    await tell(send, asyncio.current_task() is None)


APPS: dict[str, App] = {
    "plain": says(start(LENGTH, (b"x-name", b"a b")), part(b"hello"), reads=True),
    "unread": says(start(LENGTH), part(b"hello")),
    "empty": says(start((b"content-length", b"0")), part(b"")),
    "in-two": says(start(LENGTH), part(b"he", more=True), part(b"llo")),
    "too-short": says(start(LENGTH), part(b"hell")),
    "too-long": says(start(LENGTH), part(b"hello!")),
    "no-body": says(start(status=204)),
    "not-modified": says(start((b"etag", b'"1"'), status=304), part(b"")),
    "no-length": says(start(), part(b"hello")),
    "closing": says(start(LENGTH, (b"connection", b"close")), part(b"hello")),
    "injected": says(start(LENGTH, (b"x-name", b"a\r\nx-other: b")), part(b"hello")),
    "bad-name": says(start(LENGTH, (b"x name", b"a")), part(b"hello")),
    "large": says(start((b"content-length", str(10**6).encode())), part(b"x" * 10**6)),
    "echo": echo,
    "streams": streams,
    "past-the-end": reads_past_the_end,
    "raises": raises_after_the_head,
    "waits": waits,
}
HUGE = 24 * 2**20
OTHERS: dict[str, App] = {
    "huge": says(start((b"content-length", str(HUGE).encode())), part(bytes(HUGE))),
    "reads-late": reads_late,
    "drips": drips,
    "waits-long": waits_long,
    "ended": says_ended,
    "alone": says_whether_it_has_no_task,
}


class Eager(Protocol):
    """Begins all at once that asks for no task of its own, as calls that compute are begun."""

    at_once = tuple(f"/{name}" for name in APPS | OTHERS if name != "past-the-end")


async def by_path(scope: Any, receive: Any, send: Any) -> None:
    await (APPS | OTHERS)[scope["path"][1:]](scope, receive, send)


def served(protocol: type) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(by_path, http=protocol, loop="uvloop", ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def ports() -> Iterator[list[int]]:
    logging.getLogger("uvicorn.error").disabled = True  # the tracebacks of the applications that fail
    with contextlib.ExitStack() as stack:
        kinds = (Protocol, Eager, HttpToolsProtocol)
        yield [stack.enter_context(contextlib.contextmanager(served)(kind)) for kind in kinds]
    logging.getLogger("uvicorn.error").disabled = False


def said(port: int, pieces: list[bytes]) -> bytes:
    """All that comes back for what is sent, with a pause between the pieces."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
            connection.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                while got := connection.recv(2**20):
                    found += got
    return re.sub(rb"date: [^\r]+", b"date: now", found)


def post(path: str, body: bytes = b"", *lines: str, version: str = "1.1", method: str = "POST") -> bytes:
    head = [f"{method} /{path} HTTP/{version}", "host: x", f"content-length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


CHUNKED = b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
REQUESTS: dict[str, list[bytes]] = {
    **{name: [post(name, b"a body")] for name in APPS},
    **{f"head of {name}": [post(name, method="HEAD")] for name in ("plain", "no-length", "no-body", "streams")},
    "several on one connection": [
        post("plain", b"1"),
        post("echo", b"2"),
        post("streams"),
        post("no-body"),
        post("echo"),
    ],
    "several at once": [post("plain", b"1") + post("echo", b"22") + post("unread", b"3") + post("echo", b"4444")],
    "an old client": [post("plain", version="1.0")],
    "an old client that stays": [post("plain", b"", "connection: keep-alive", version="1.0"), post("plain")],
    "a client that leaves": [post("echo", b"12", "connection: close")],
    "a body in parts": [post("echo", bytes(9))[:-5], bytes(3), bytes(2)],
    "a body in chunks": [CHUNKED + b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"],
    "a large body": [post("echo", bytes(range(256)) * 12000)],
    "a large body that nobody reads": [post("unread", bytes(3_000_000)), post("echo", b"12")],
    "a body that is waited for": [post("echo", b"12", "expect: 100-continue")[:-2], b"12"],
    "an upgrade that nobody offers": [post("echo", b"12", "connection: upgrade", "upgrade: h2c")],
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_wire_is_that_of_uvicorn(ports: list[int], name: str) -> None:
    *both, uvicorns = (said(port, REQUESTS[name]) for port in ports)
    assert bool(uvicorns) == (name not in {"injected", "bad-name"})
    for ours in both:
        if name in {"too-short", "too-long"}:  # whether the head of an answer that fails is seen is not promised
            assert ours in {uvicorns, b""} or uvicorns.startswith(ours)
        else:
            assert ours == uvicorns


@pytest.mark.parametrize("which", [0, 1])
def test_the_head_goes_with_the_body(ports: list[int], which: int) -> None:
    with socket.create_connection(("127.0.0.1", ports[which]), timeout=10) as connection:
        for _ in range(20):
            connection.sendall(post("plain"))
            assert connection.recv(4096).endswith(b"hello")


def test_a_request_that_waits_goes_on_in_a_task_and_ends_with_its_client(ports: list[int]) -> None:
    with socket.create_connection(("127.0.0.1", ports[1]), timeout=10) as connection:
        connection.sendall(post("waits"))
        assert connection.recv(4096).endswith(b"began")
        connection.sendall(post("ended"))
        assert connection.recv(4096).endswith(b"False")
        connection.sendall(post("waits-long"))
    for _ in range(100):
        if said(ports[1], [post("ended")]).endswith(b"True"):
            return
    pytest.fail("it was not cancelled")


def hangs_up(connection: socket.socket) -> bool:
    """Whether the application hears of it; all that was sent to the client is thrown away, so that the server is told."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    return ended.wait(20)


@pytest.mark.parametrize("which", [0, 1])
def test_a_stream_ends_with_its_client_though_another_request_waits_behind_it(ports: list[int], which: int) -> None:
    ended.clear()
    connection = socket.create_connection(("127.0.0.1", ports[which]), timeout=10)
    connection.sendall(post("drips") + post("plain"))
    assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert hangs_up(connection)


@pytest.mark.parametrize("which", [0, 1])
def test_whoever_sends_a_large_body_is_heard_when_it_hangs_up(ports: list[int], which: int) -> None:
    ended.clear()
    connection = socket.create_connection(("127.0.0.1", ports[which]), timeout=10)
    connection.sendall(post("reads-late", bytes(2**20 + 2**15)))
    time.sleep(0.8)
    assert hangs_up(connection)


@pytest.mark.parametrize("which", [0, 1])
def test_what_is_sent_behind_a_stream_waits_in_the_network(ports: list[int], which: int) -> None:
    with socket.create_connection(("127.0.0.1", ports[which]), timeout=10) as connection:
        connection.sendall(post("drips"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.settimeout(0.5)
        body, sent = bytes(2**20), 0
        connection.sendall(post("plain", version="1.1").replace(b"content-length: 0", b"content-length: 99999999"))
        with contextlib.suppress(TimeoutError):
            while sent < 64 * 2**20:
                sent += connection.send(body)
        assert sent < 32 * 2**20


def taken(port: int, pause: float) -> int:
    """How much of a large answer a client gets that waits so long before each of the parts that it takes."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", port))
        connection.sendall(post("huge", b"", "connection: close"))
        found = 0
        with contextlib.suppress(ConnectionError):
            while True:
                time.sleep(pause)
                got = 0
                while got < 2**20 and (part := connection.recv(2**20)):
                    got += len(part)
                found += got
                if not got:
                    break
    return found


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1])
def test_who_takes_nothing_of_a_large_answer_is_cut_off(
    ports: list[int], which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cycle._STALLED", 1.5)
    assert taken(ports[which], 0.05) > HUGE
    assert taken(ports[which], 3) < HUGE


def test_what_begins_at_once_has_no_task(ports: list[int]) -> None:
    assert [said(port, [post("alone")])[-5:] for port in ports] == [b"False", b"\nTrue", b"False"]


def test_it_is_the_calls_that_compute_that_begin_at_once() -> None:
    assert Protocol.at_once == tuple(f"/{call.kind}" for call in CALLS)


def test_what_is_ended_before_its_task_goes_on_is_ended_where_it_waits() -> None:
    async def answer() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    async def cancelled() -> bool:
        begun = answer()
        task = asyncio.get_running_loop().create_task(Begun(begun, begun.send(None)))
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    ended.clear()
    assert asyncio.run(cancelled())
    assert ended.is_set()
