"""Runs of the script with a fault at one system call of one thread, and what came of them.

Invariant: the tracer is attached before the thread goes on, so that the n-th call is the n-th call in every run.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tests.faults.machine import ROOT

CALLS = ("openat", "mkdir", "fallocate", "ftruncate", "unlink", "pwrite64", "fdatasync", "fsync")
"""The system calls that storage is made of. Each is one that a run may end before, or that may fail."""
THREADS = {"main": "MainThread", "writer": "gradwire-writer", "slots": "gradwire-slots_0"}
"""Who makes them: the one that opens and closes the store, the one that commits, the one that fills slots."""
_PATIENCE = 60.0


@dataclass(frozen=True)
class Fault:
    """`action` (in strace's words) at the `nth` call of a kind of one thread, and at the next ones up to `last`."""

    thread: str
    call: str
    nth: int
    action: str
    last: int | None = None

    def __str__(self) -> str:
        return f"{self.action} at {self.call} {self.nth} of {self.thread}"

    @property
    def injection(self) -> str:
        when = str(self.nth) if self.last is None else f"{self.nth}..{self.last}"
        return f"inject={self.call}:{self.action}:when={when}"


@dataclass
class Run:
    """What a run said before it ended."""

    done: int = 0
    """Steps that were acknowledged."""
    refused: int = 0
    """Tries that found no room."""
    unopened: str = ""
    saw: list[str] = field(default_factory=list)
    """What a look showed of each network."""
    closed: bool = False
    status: int = 0
    """0: it ended well; -9: it was killed; 70: the store stopped it."""
    stderr: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    """Of the traced thread."""
    is_reached: bool = False
    """Whether the call failed that was to fail; what shares a commit is up to the scheduler, so that it may not come."""


class Runner:
    """Starts runs of one store, one after the other."""

    def __init__(self, store: str, scratch: Path) -> None:
        self._store = store
        self._scratch = scratch
        self._stderr = scratch / "stderr"
        self._address = str(scratch / "socket")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._address)
        self._listener.listen()
        self._listener.settimeout(_PATIENCE)
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.child"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def run(
        self,
        folder: Path,
        thread: str = "main",
        fault: Fault | None = None,
        script: str = "whole",
        *,
        cached: bool = False,
    ) -> Run:
        """Play the script in `folder`, the thread traced, the fault (of that thread) injected.

        With `script="reopen"` the store that is there is only opened and closed; with "look" it is read and left open;
        with a number, it is killed when that many steps have been acknowledged. What is written past the page cache is on this
        disk without a sync; `cached`, nothing is written so.
        """
        begun = self._stderr.stat().st_size
        assert self._process.stdin is not None
        job = {
            "store": self._store,
            "folder": str(folder),
            "socket": self._address,
            "script": script,
            "cached": cached,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        connection, _ = self._listener.accept()
        connection.settimeout(_PATIENCE)
        with connection, connection.makefile("rw") as line:
            run = self._listen(line, thread, fault)
        assert self._process.stdout is not None
        status = int(self._process.stdout.readline())
        run.status = -(status & 0x7F) if status & 0x7F else status >> 8
        run.stderr = self._stderr.read_bytes()[begun:].decode(errors="replace")
        return run

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_PATIENCE)
        self._process.stdout.close()
        self._listener.close()

    def _listen(self, line: TextIO, thread: str, fault: Fault | None) -> Run:
        run, trace, tracer = Run(), self._scratch / "trace", None
        trace.unlink(missing_ok=True)
        try:
            for text in line:
                word, _, rest = text.rstrip("\n").partition(" ")
                if word in {"opening", "threads"}:
                    threads = {THREADS["main"]: int(rest)} if word == "opening" else json.loads(rest)
                    if (word == "opening") == (thread == "main") and THREADS[thread] in threads:
                        tracer = _attached(threads[THREADS[thread]], trace, fault)
                    line.write("go\n")
                    line.flush()
                else:
                    _note(run, word, rest)
        except ConnectionResetError:
            pass
        finally:
            if tracer is not None:
                _detach(tracer)
        if trace.exists():
            lines = trace.read_text().splitlines()
            run.calls.update(call.split("(")[0] for call in lines if "(" in call)
            run.is_reached = any(line.endswith("(INJECTED)") for line in lines)
        return run


@contextmanager
def runner(store: str, scratch: Path) -> Iterator[Runner]:
    scratch.mkdir(parents=True, exist_ok=True)
    made = Runner(store, scratch)
    try:
        yield made
    finally:
        made.close()


def _note(run: Run, word: str, rest: str) -> None:
    if word == "done":
        assert int(rest) == run.done, "a step was acknowledged out of order"
        run.done += 1
    elif word == "refused":
        run.refused += int(rest)
    elif word == "saw":
        run.saw.append(rest)
    elif word == "unopened":
        run.unopened = rest
    elif word == "closed":
        run.closed = True


def _attached(thread: int, trace: Path, fault: Fault | None) -> subprocess.Popen[Any]:
    inject = ["-e", fault.injection] if fault is not None else []
    command = ["strace", "-qq", "-o", str(trace), "-e", f"trace={','.join(CALLS)}", "-e", "signal=none", *inject]
    tracer = subprocess.Popen([*command, "-p", str(thread)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    status = Path(f"/proc/{thread}/status")
    deadline = time.monotonic() + _PATIENCE
    while "TracerPid:\t0\n" in status.read_text():
        assert tracer.poll() is None, tracer.stderr.read().decode() if tracer.stderr else ""
        assert time.monotonic() < deadline, "the tracer could not be attached"
        time.sleep(0.001)
    return tracer


def _detach(tracer: subprocess.Popen[Any]) -> None:
    try:
        tracer.wait(5)  # it ends with its thread
    except subprocess.TimeoutExpired:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(_PATIENCE)
    assert tracer.stderr is not None
    tracer.stderr.close()
