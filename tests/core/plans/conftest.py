"""Plans are joined at their first run here; at the end of a run it is said which tests of the fast path had no device, and why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.plans import plan


@pytest.fixture(autouse=True, scope="module")
def joined_at_once() -> Iterator[None]:
    """So that a few runs are enough to see what many do; `native/test_program.py` holds the first ones to the same bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "COLD_RUNS", 1)
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "test_cuda.py" in report.nodeid]
    if skipped:
        reason = str(skipped[0].longrepr[2]).removeprefix("Skipped: ")
        terminalreporter.write_line(f"NOT RUN: {len(skipped)} tests of the fast path on a CUDA device: {reason}")
