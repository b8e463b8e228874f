"""What the commands of the benchmarks share: the options of a report, where it goes, and what is said at the end."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks import document
from benchmarks.core.machine import commit, describe
from benchmarks.core.process import ROOT

__all__ = ["DOCUMENT", "RESULTS", "Results", "add_report_options", "carry_out", "origin"]

RESULTS = ROOT / "benchmarks" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
Results = dict[str, Any]


def add_report_options(parser: argparse.ArgumentParser, name: str, *, can_resume: bool) -> None:
    """--json, --markdown, --resume and --report."""
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help=f"default: benchmarks/results/{name}.json for a full run"
    )
    parser.add_argument("--markdown", action="store_true", help="fill the tables of docs/performance.md")
    if can_resume:
        parser.add_argument("--resume", action="store_true", help="go on where the JSON file of an earlier run ends")
    parser.add_argument("--report", type=Path, metavar="FILE", help="measure nothing: tables of an earlier run's JSON")


def origin() -> Results:
    """When, of what and where it is measured."""
    return {"date": dt.datetime.now(dt.UTC).date().isoformat(), **commit(ROOT), "machine": describe()}


def carry_out(
    options: argparse.Namespace,
    name: str,
    run: Callable[[Path], Results],
    text: Callable[[Results], str],
    parts: Callable[[Results], Iterable[tuple[str, str]]],
    failures: tuple[type[Exception], ...],
    *,
    complete: bool,
) -> int:
    """Measure, or take an earlier run's JSON; print its tables, and fill those of the documentation if that is asked for.

    Args:
        run: measures, and writes the JSON to the path that it is given.
        text: for the terminal.
        parts: for the documentation, by the names of their markers.
        failures: what ends the command with a line.
        complete: whether nothing is left out, so that the JSON is the benchmark's own.
    """
    target = options.json or RESULTS / (f"{name}.json" if complete else f"{name}-partial.json")
    try:
        results = json.loads(options.report.read_text()) if options.report else run(target)
    except failures as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if not options.report:
        print(f"bench: written to {target}", file=sys.stderr)
    print(text(results))
    if options.markdown:
        for part, content in parts(results):
            document.fill(DOCUMENT, part, content)
    return 0
