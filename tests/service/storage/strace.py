"""Real system calls made to fail or to take their time, by strace's fault injection."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: no fault can be injected"
)


def run(trace: Path, injections: list[str], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Python with `arguments` under strace; the storage system calls go to the file `trace`."""
    faults = [word for injection in injections for word in ("-e", f"inject={injection}")]
    command = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=fdatasync,fsync,pwrite64,fallocate", *faults]
    return subprocess.run(
        [*command, sys.executable, *arguments], cwd=ROOT, text=True, capture_output=True, timeout=120, check=False
    )
