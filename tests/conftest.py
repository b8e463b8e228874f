"""What a test needs beyond numpy, scipy, pytest and hypothesis, and what is said where it is missing.

Invariant: a test whose library is not installed is deselected, never passed, and the last lines of the run say how many
and why.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

NEEDS = {"array_api": "array_api_strict", "atheris": "atheris", "peers": "torch"}
"""Marker -> the module that its tests need."""

# How long a machine takes to draw an example, or to try it, is not what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@cache
def sanitizer() -> str | None:
    """Where the C compiler has AddressSanitizer's library, if it has one."""
    if shutil.which("cc") is None:
        return None
    command = ["cc", "-print-file-name=libasan.so"]  # answered with the bare name where there is none
    place = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return place if Path(place).is_absolute() else None


def lacking() -> dict[str, str]:
    """Marker -> what its tests need and is not here."""
    found = {marker: module for marker, module in NEEDS.items() if find_spec(module) is None}
    return found if sanitizer() else {**found, "sanitizers": "AddressSanitizer for cc"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fuzz", "tests/fuzz")
    group.addoption("--fuzz-times", type=int, default=1, help="how many times as long to fuzz as CI does")
    group.addoption("--fuzz-seed", type=int, default=0, help="another seed draws other cases")
    group = parser.getgroup("faults", "tests/faults")
    group.addoption(
        "--full", action="store_true", help="every fault at its full size: half an hour, where CI takes a minute"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker in lacking():
        left_out = [item for item in items if item.get_closest_marker(marker)]
        items[:] = [item for item in items if not item.get_closest_marker(marker)]
        if left_out:
            config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for marker, what in lacking().items():
        terminalreporter.write_line(f"deselected: every test marked `{marker}`, since {what} is not installed")
