"""`gradwire serve` as a child process: started on a free port, killed without warning, or stopped in order.

The child never outlives the `with` block, whatever ends it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

__all__ = ["Server", "ServerFailed"]

_LISTENING = re.compile(r"listening on (http://\S+?),? ")
_PATIENCE = 60.0


class ServerFailed(Exception):
    """The server did not start; the message holds what it said."""


class Server:
    """One server process on one store; `start` again after `kill` goes on with the same store."""

    def __init__(self, store: Path, log: Path) -> None:
        self.store = store
        self.url = ""
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop()

    def start(self) -> float:
        """Start and wait until the server listens.

        Returns:
            The seconds that it took.

        Raises:
            ServerFailed: it ended, or said nothing for a minute.
        """
        began = time.monotonic()
        said = self._log.stat().st_size if self._log.exists() else 0
        # Settings in the caller's environment are not meant for this server.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GRADWIRE_")}
        gradwire = Path(sys.executable).with_name("gradwire")
        with self._log.open("ab") as log:
            # In a session of its own, so that Ctrl-C reaches the client alone, which then stops the server.
            self._process = subprocess.Popen(
                [gradwire, "serve", "--port", "0", "--data", self.store],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        while (listening := _LISTENING.search(self._log.read_text()[said:])) is None:
            if self._process.poll() is not None or time.monotonic() - began > _PATIENCE:
                raise ServerFailed(f"the server did not start:\n{self._log.read_text()[said:]}")
            time.sleep(0.02)
        self.url = listening[1]
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed, nothing is closed."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def stop(self) -> int:
        """SIGTERM, and SIGKILL if that does not end it; gives the exit status."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(_PATIENCE)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            self._process = None
        return status

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServerFailed("the server is not running")
        return self._process
