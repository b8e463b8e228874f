"""Environments of the peers' own: made where they are missing or not of the present lock, never the product's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["SetupError", "environment"]


class SetupError(Exception):
    """A peers' environment could not be made."""


def environment(folder: Path, lock: Path, what: str, unlocked: Sequence[str] = ()) -> Path:
    """The interpreter of the environment in `folder`, which has the packages of `lock`, and `unlocked` besides.

    Raises:
        SetupError: the packages could not be installed.
    """
    python = folder / "bin" / "python"
    stamp = folder / ".lock"
    recipe = lock.read_text() + "".join(unlocked)
    if stamp.exists() and stamp.read_text() == recipe:
        return python
    print(f"bench: making {folder.name} with {what} (once; some minutes)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    _install(python, "--only-binary", ":all:", "--require-hashes", "-r", str(lock))
    for requirement in unlocked:
        _install(python, "--only-binary", ":all:", requirement)
    stamp.write_text(recipe)
    return python


def _install(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *arguments]
    if subprocess.run(command, check=False).returncode:
        raise SetupError(f"could not install {arguments[-1]}; is the package index reachable?")
