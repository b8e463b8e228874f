"""A real server on a disk whose power can be lost and which can fill up."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.end_to_end.running import PATIENCE, Running
from tests.faults.disk import Disk
from tests.faults.machine import freeze

STOPPED = 70
_FULL_SECONDS = 0.5
_LARGE = {
    "inputs": 1000,
    "layers": [{"units": 2000, "activation": "tanh"}],
    "initializer": "zeros",
    "dtype": "float64",
}
"""Needs a slot of its own."""


class Server(Running):
    """`disk` is None where the data is in an ordinary folder, which can only be killed.

    `dying` while the disk is gone and the process is not. `cuts` counts the losses of power that came in the middle of
    whatever was under way: a sync that the kernel was waiting for then may return 0 though its journal was aborted, so that
    an answer that arrives after the cut has begun proves nothing. Of a machine without power, nobody would have heard it.
    """

    def __init__(self, folder: Path, disk: Disk | None) -> None:
        self.disk = disk
        self.dying = False
        self.cuts = 0
        super().__init__(disk.mount if disk else folder, log=folder / "stderr.txt")

    def suffer(self, fault: str) -> None:
        """One fault, and whatever it takes to go on after it."""
        {"kill": self._restart, "power": self._lose_power, "cut": self._cut, "full": self._fill_up}[fault]()

    def _restart(self) -> None:
        self.kill()
        self.start()

    def _lose_power(self) -> None:
        """Between two system calls of every thread: the process goes on without a disk, and may acknowledge nothing new."""
        self.dying = True
        freeze(self.process.pid)
        self._disk.lose_power()
        self.process.send_signal(signal.SIGCONT)
        with suppress(httpx.TransportError):
            ready = httpx.get(f"{self.url}/readyz", trust_env=False, timeout=PATIENCE)
            assert ready.status_code != 200, "it says that it is ready, and its disk is gone"
        assert self.process.wait(PATIENCE) == STOPPED
        self._power_up()

    def _cut(self) -> None:
        """Whatever is under way."""
        self.dying = True
        self.cuts += 1
        self._disk.lose_power()
        self.process.kill()
        assert self.process.wait(PATIENCE) in {-signal.SIGKILL, STOPPED}
        self._power_up()

    def _power_up(self) -> None:
        self._disk.restart()
        self.start()
        self.dying = False

    def _fill_up(self) -> None:
        """There is no room for a while: what needs some is refused, the rest goes on, and later there is room for all."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=PATIENCE) as client:
            before, made, key = _networks(client), [], f"large-{time.monotonic_ns()}"
            with _full(self._disk.mount / "ballast") as fill:
                until = time.monotonic() + _FULL_SECONDS
                while time.monotonic() < until:
                    fill()
                while (answer := _make_large(client, f"{key}-{len(made)}")).status_code == 201:
                    made.append(answer.headers["location"])  # in a slot that was spare
                assert answer.status_code == 507, answer.text
                assert len(_networks(client)) == len(before) + len(made)
                for network in before:
                    assert client.get(f"/v1/networks/{network}/parameters").status_code == 200
            answer = _make_large(client, f"{key}-{len(made)}")
            assert answer.status_code == 201, answer.text
            for location in (*made, answer.headers["location"]):
                assert client.delete(location).status_code == 204
        assert self.process.poll() is None, "the server ended since its disk was full"

    @property
    def _disk(self) -> Disk:
        assert self.disk is not None
        return self.disk


def _networks(client: httpx.Client) -> list[str]:
    return [network["id"] for network in client.get("/v1/networks").json()["networks"]]


def _make_large(client: httpx.Client, key: str) -> httpx.Response:
    return client.post("/v1/networks", json=_LARGE, headers={"idempotency-key": key})


@contextmanager
def _full(ballast: Path) -> Iterator[Callable[[], None]]:
    """Calls take all the room that there is, also what has been given back since; afterwards all of it is there again."""
    descriptor, size = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600), 0

    def fill() -> None:
        nonlocal size
        step = 2**24
        while step >= 4096:
            try:
                os.posix_fallocate(descriptor, size, step)
            except OSError:
                step //= 2
            else:
                size += step

    try:
        fill()
        yield fill
    finally:
        os.close(descriptor)
        ballast.unlink()
