"""What the comparison needs beside Python packages: the compiled loop of the limit, and the peers' own environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.core.process import ROOT
from benchmarks.environment import SetupError, environment

__all__ = ["SetupError", "compiled_limit", "peers_python"]

PEERS = ROOT / ".venv-bench"
LOCK = ROOT / "requirements" / "bench.txt"
TORCH = "torch==2.13.0"


def compiled_limit(folder: Path) -> Path | None:
    """limit.c as a library in `folder`, or None where there is no C compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return None
    target = folder / "limit.so"
    source = Path(__file__).parent / "engines" / "limit.c"
    subprocess.run([compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", str(target), str(source)], check=True)
    return target


def peers_python() -> Path:
    """The interpreter of .venv-bench. Raises `SetupError` where the packages could not be installed."""
    # PyTorch is not in the lock: see requirements/bench.in.
    return environment(PEERS, LOCK, "PyTorch, JAX and autograd", [TORCH])
