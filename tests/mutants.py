"""Mistakes planted in a copy of the code, so that it can be seen whether the tests notice them.

Invariant: what is tested is the copy, in every process that a test starts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "copied", "outcome", "plant"]

ROOT = Path(__file__).resolve().parents[1]

PROBE = """
from pathlib import Path

import {package}


def test_the_copy_is_what_is_tested() -> None:
    assert Path({package}.__file__).is_relative_to(Path(__file__).resolve().parents[2])
"""


@dataclass(frozen=True)
class Mutant:
    """One mistake: in `file`, `right` becomes `wrong`; the tests selected by `within` must see it."""

    file: str
    right: str
    wrong: str
    within: str = ""


def copied(to: Path, package: str, tests: str, *others: str) -> Path:
    """A copy of a package, of its tests and of other folders, with a probe (`test_probe.py`) that it is what is imported."""
    for folder in (package, tests, *others):
        ignored = shutil.ignore_patterns("__pycache__", "test_mutants.py")
        shutil.copytree(ROOT / folder, to / folder, ignore=ignored)
    for file in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / file, to / file)
    (to / tests / "test_probe.py").write_text(PROBE.format(package=package))
    return to


def plant(folder: Path, mutant: Mutant) -> None:
    """Make the mistake in the copy of the package at `folder`."""
    source = folder / mutant.file
    text = source.read_text()
    assert text.count(mutant.right) == 1, f"{mutant.file} has changed: plant this mistake anew"
    source.write_text(text.replace(mutant.right, mutant.wrong))


def outcome(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What pytest says of the copy."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    # The options and the path of whoever runs this are not those of the copy.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}
    kept["PYTHONPATH"] = str(copy)
    return subprocess.run(command, cwd=copy, env=kept, capture_output=True, text=True, timeout=300, check=False)
