"""Twelve threads write to one store while it is killed or loses its power, at any moment, again and again.

A version that was acknowledged is found, at most the one that was under way besides; every retained number, entry and
receipt is what was written. No store of these is ever closed in order: each begins with what a fault has left.
"""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.disk import Disk, disk
from tests.faults.machine import ROOT, freeze, needs_power_loss
from tests.faults.storm import NETWORKS

pytestmark = pytest.mark.slow

PATIENCE = 60.0
STOPPED = 70


class Storm:
    """One process of `tests.faults.storm`, and what it has said so far."""

    def __init__(self, folder: Path, scratch: Path, *cached: str) -> None:
        address = scratch / "socket"
        address.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(address))
        listener.listen()
        listener.settimeout(PATIENCE)
        stderr = scratch / "stderr"
        command = [sys.executable, "-m", "tests.faults.storm", str(folder), str(address), *cached]
        with stderr.open("wb") as log, listener:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)
            self._line, _ = listener.accept()
        self.found: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()
        deadline = time.monotonic() + PATIENCE
        while len(self.found) < NETWORKS:
            assert self._listening.is_alive(), stderr.read_text()
            assert time.monotonic() < deadline, "it does not open its store"
            time.sleep(0.001)

    def end(self, *expected: int) -> dict[int, int]:
        """When it has ended, the last version of each network that it said was on disk."""
        assert self.process.wait(PATIENCE) in expected
        self._listening.join()
        return self.last

    def close(self) -> None:
        self.process.kill()
        self.end(-signal.SIGKILL, STOPPED)
        self._line.close()

    def _listen(self) -> None:
        with self._line.makefile("r") as lines, suppress(ConnectionResetError):
            for line in lines:
                word, number, version = line.split()
                self.last[int(number)] = int(version)
                if word == "found":
                    self.found[int(number)] = int(version)


@contextmanager
def storm(folder: Path, scratch: Path, *cached: str) -> Iterator[Storm]:
    started = Storm(folder, scratch, *cached)
    try:
        yield started
    finally:
        started.close()


Said = tuple[dict[int, int], dict[int, int]]
"""The versions that must be there, and the last ones that anybody was told of."""


def compare(said: Said, storming: Storm) -> None:
    promised, heard = said
    for number, version in storming.found.items():
        least, most = promised.get(number, version), heard.get(number, version) + 1
        assert least <= version <= most, f"network {number}: {version}, not {least} to {most}"


def between_calls(drive: Disk, storming: Storm) -> Said:
    """Nothing is under way in the kernel when the disk goes; whatever is acknowledged later counts as well."""
    freeze(storming.process.pid)
    drive.lose_power()
    storming.process.send_signal(signal.SIGCONT)
    heard = storming.end(STOPPED)
    return heard, heard


def in_the_middle(drive: Disk, storming: Storm) -> Said:
    """Syncs are under way, and may seem to succeed (`Server.cuts`): what was heard before counts."""
    promised = dict(storming.last)
    drive.lose_power()
    storming.process.kill()
    return promised, storming.end(-signal.SIGKILL, STOPPED)


def test_killed_at_any_moment(place: Path, full: bool) -> None:
    rng, kills = random.Random(1), 200 if full else 6
    said: Said = ({}, {})
    for _ in range(kills):
        with storm(place / "data", place) as storming:
            compare(said, storming)
            time.sleep(rng.random() * 0.3)
            storming.process.kill()
            heard = storming.end(-signal.SIGKILL)
            said = heard, heard
    print(f"{kills} kills, {sum(said[0].values())} versions")


@needs_power_loss
@pytest.mark.parametrize("lose_power", [between_calls, in_the_middle], ids=["between calls", "in the middle of calls"])
def test_without_power_at_any_moment(place: Path, lose_power: Callable[[Disk, Storm], Said], full: bool) -> None:
    rng, losses = random.Random(2), 200 if full else 6
    said: Said = ({}, {})
    with disk(place, 300) as drive:
        for turn in range(losses):
            # What is written past the page cache is on this disk without a sync.
            with storm(drive.mount / "data", place, *(["cached"] if turn % 2 else [])) as storming:
                compare(said, storming)
                time.sleep(rng.random() * 0.3)
                said = lose_power(drive, storming)
            drive.restart()
    print(f"{losses} losses of power, {sum(said[0].values())} versions")
