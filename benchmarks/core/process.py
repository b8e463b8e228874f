"""The orchestrator's end of a worker: starts it, asks, and tells what went wrong in it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "Failure", "Process", "Resources"]

ROOT = Path(__file__).resolve().parents[2]

_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Failure(Exception):
    """A worker died; its last words are the message."""


@dataclass(frozen=True)
class Resources:
    """How many threads a worker may have, and the processors it stays on (None: anywhere)."""

    threads: int
    processors: tuple[int, ...] | None

    @classmethod
    def of(cls, threads: int, is_pinned: bool) -> Resources:
        """As many processors as threads, the last ones of those that there are."""
        if not is_pinned or not hasattr(os, "sched_getaffinity"):
            return cls(threads, None)
        return cls(threads, tuple(sorted(os.sched_getaffinity(0))[-threads:]))

    @property
    def environment(self) -> dict[str, str]:
        """The caller's, with every thread pool that is configured this way bounded."""
        eigen = "" if self.threads > 1 else " --xla_cpu_multi_thread_eigen=false"
        return {
            **os.environ,
            **dict.fromkeys(_THREADS, str(self.threads)),
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": (os.environ.get("XLA_FLAGS", "") + eigen).strip(),
            "PYTHONPATH": str(ROOT),
        }


class Process:
    """A worker under one Python. Every request waits for its answer, but for `send` and `receive` on their own."""

    def __init__(self, name: str, python: Path, resources: Resources) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.core.worker", json.dumps(resources.processors)],
            cwd=ROOT,
            env=resources.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def send(self, do: str, **request: Any) -> None:
        """Ask, without waiting."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died: `receive` says how
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """Wait for the answer.

        Raises:
            Failure: the worker died.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()  # its last words come after its last answer
            self._errors.seek(0)
            raise Failure(f"{self.name} ended with status {status}:\n{self._errors.read()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send and receive."""
        self.send(do, **request)
        return self.receive()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
