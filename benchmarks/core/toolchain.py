"""What the comparison needs beside Python packages: the compiled loop of the limit, and the peers' own environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.core.process import ROOT

__all__ = ["SetupError", "compiled_limit", "peers_python"]

PEERS = ROOT / ".venv-bench"
LOCK = ROOT / "requirements" / "bench.txt"
TORCH = "torch==2.13.0"


class SetupError(Exception):
    """The peers' environment could not be made."""


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
    """The interpreter of .venv-bench, which is made first where it is missing or not of the present lock.

    Raises:
        SetupError: the packages could not be installed.
    """
    python = PEERS / "bin" / "python"
    stamp = PEERS / ".lock"
    recipe = LOCK.read_text() + TORCH
    if stamp.exists() and stamp.read_text() == recipe:
        return python
    print("bench: making .venv-bench with PyTorch, JAX and autograd (once; some minutes)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEERS)], check=True)
    _install(python, "--only-binary", ":all:", "--require-hashes", "-r", str(LOCK))
    # PyTorch is not in the lock: see requirements/bench.in.
    _install(python, "--only-binary", ":all:", TORCH)
    stamp.write_text(recipe)
    return python


def _install(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *arguments]
    if subprocess.run(command, check=False).returncode:
        raise SetupError(f"could not install {arguments[-1]}; is the package index reachable?")
