"""A server as a process: started on a free port, its processor time read from the kernel, ended by its own id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

__all__ = ["Failure", "Server", "free_port"]

_PATIENCE = 120.0


class Failure(Exception):
    """A server did not start; its last words are the message."""


class Server:
    """A running server, and those of its children that are alive."""

    def __init__(
        self, name: str, command: Sequence[str], port: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.port = name, port
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._wait()

    def processor_seconds(self) -> float:
        """User and system time of the server and its children so far."""
        return sum(_seconds(process) for process in _family(self._process.pid))

    def peak_bytes(self) -> int:
        """The most memory that the server itself ever had (VmHWM)."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise Failure(f"{self.name} has ended")

    def reset_peak(self) -> None:
        """Begin to look for the peak anew (proc_pid_clear_refs(5), since Linux 4.0)."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def close(self) -> None:
        """End it and its children."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # the group that it leads
            self._process.wait()
        self._log.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self._log.seek(0)
        said = self._log.read()[-3000:]
        self.close()
        raise Failure(f"{self.name} did not start:\n{said}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _family(process: int) -> Iterator[int]:
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _seconds(process: int) -> float:
    """The kernel's processor clock of a whole process, in nanoseconds where /proc/PID/stat has hundredths (clock_getcpuclockid)."""
    return time.clock_gettime((~process << 3) | 2)
