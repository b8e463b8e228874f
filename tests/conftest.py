"""What a test needs beyond numpy, scipy, pytest and hypothesis, and what is said where it is missing.

Invariant: a test whose library is not installed is deselected, never passed, and the last lines of the run say how many
and why.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

NEEDS = {"array_api": "array_api_strict", "atheris": "atheris", "peers": "torch"}
"""Marker -> the module that its tests need."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fuzz", "tests/fuzz")
    group.addoption("--fuzz-times", type=int, default=1, help="how many times as long to fuzz as CI does")
    group.addoption("--fuzz-seed", type=int, default=0, help="another seed draws other cases")
    group = parser.getgroup("faults", "tests/faults")
    group.addoption(
        "--full", action="store_true", help="every fault at its full size: half an hour, where CI takes a minute"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker, module in NEEDS.items():
        if find_spec(module) is None:
            left_out = [item for item in items if item.get_closest_marker(marker)]
            items[:] = [item for item in items if not item.get_closest_marker(marker)]
            if left_out:
                config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for marker, module in NEEDS.items():
        if find_spec(module) is None:
            terminalreporter.write_line(f"deselected: every test marked `{marker}`, since {module} is not installed")
