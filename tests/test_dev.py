"""`./dev` before there is an environment: it is plain POSIX shell, finds its Python, and says what is wrong in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `./dev setup` reads, in a folder with a space in its name and without an environment."""
    place = tmp_path / "a clone"
    place.mkdir()
    shutil.copy2(ROOT / "dev", place)
    shutil.copy2(ROOT / "pyproject.toml", place)
    shutil.copytree(ROOT / "requirements", place / "requirements")
    return place


def run(command: list[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", env={**os.environ, **environment}, timeout=60
    )


def fake_python(folder: Path, version: str) -> Path:
    """A `python3` that is too old for the question that `./dev` asks it."""
    program = folder / "python3"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}" && exit\nexit 1\n')
    program.chmod(0o755)
    return program


def test_an_unknown_command_is_named(clone: Path) -> None:
    done = run([clone / "dev", "tests"])
    assert done.returncode == 1
    assert done.stderr.endswith("dev: unknown command: tests\n")


def test_a_python_that_is_too_old_is_named(clone: Path, tmp_path: Path) -> None:
    done = run([clone / "dev", "setup"], PYTHON=str(fake_python(tmp_path, "3.9.1")))
    assert done.returncode == 1
    assert done.stderr == f"dev: PYTHON={tmp_path}/python3 is not Python 3.11 or later\n"
    assert not (clone / ".venv").exists()


def test_without_a_python_it_says_what_it_found(clone: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    fake_python(tools, "3.9.1")
    for tool in ("dirname", "cat", "cmp", "rm", "sh", "printf"):
        found = shutil.which(tool)
        assert found, tool
        (tools / tool).symlink_to(found)
    done = run([clone / "dev", "setup"], PATH=str(tools), PYTHON="")
    assert done.returncode == 1
    assert "Python 3.11 or later is needed, and Python 3.9.1 is what was found" in done.stderr


@pytest.mark.parametrize("shell", [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)])
def test_it_is_plain_shell(clone: Path, shell: str) -> None:
    prefix: list[str | Path] = [shell, "sh"] if shell == "busybox" else [shell]
    done = run([*prefix, clone / "dev", "help"])
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ./dev COMMAND")
