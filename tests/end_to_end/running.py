"""A real `gradwire serve` process on a folder of its own: started, killed, ended and started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

GRADWIRE = Path(sys.executable).with_name("gradwire")
PATIENCE = 60.0


class Running:
    """One server at a time on one data folder; `log` (beside it by default) is its standard error from all of its lives."""

    def __init__(self, folder: Path, *flags: str, log: Path | None = None) -> None:
        self.data = folder / "data"
        self.log = log or folder / "stderr.txt"
        self._flags = flags
        self._clients: list[httpx.Client] = []
        self.start()

    def start(self) -> None:
        begun = self.log.stat().st_size if self.log.exists() else 0
        command = [GRADWIRE, "serve", "--port", "0", "--data", self.data, *self._flags]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=environment())
        self.url = self._listening(begun)

    def _listening(self, begun: int) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            said = self.log.read_bytes()[begun:].decode()
            if found := re.search(r"listening on (http://\S+),", said):
                return found[1]
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}: {said}")
            time.sleep(0.02)
        raise AssertionError(f"the server does not listen: {said}")

    def client(self) -> httpx.Client:
        """A client of this life of the server; `stop` closes it."""
        self._clients.append(httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False))
        return self._clients[-1]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(PATIENCE) == -signal.SIGKILL

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self) -> None:
        """Whatever state it is in, it is not there afterwards."""
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)


def require_ready(client: httpx.Client) -> None:
    """It can compute and write, or says 503 for as long as the disk takes its time."""
    deadline = time.monotonic() + PATIENCE
    while (answer := client.get("/readyz")).status_code == 503:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without settings of the service that someone may have exported."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GRADWIRE_")} | extra
