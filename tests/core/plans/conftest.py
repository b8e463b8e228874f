"""Says at the end of a run which tests of the fast path had no device, and why."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "test_cuda.py" in report.nodeid]
    if skipped:
        reason = str(skipped[0].longrepr[2]).removeprefix("Skipped: ")
        terminalreporter.write_line(f"NOT RUN: {len(skipped)} tests of the fast path on a CUDA device: {reason}")
