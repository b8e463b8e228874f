"""`./dev bench load`: measure, print a table, write JSON, and fill the table of docs/performance.md."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import document
from benchmarks.core.machine import commit, describe
from benchmarks.core.process import ROOT
from benchmarks.http.process import Failure
from benchmarks.load import report
from benchmarks.load.cases import CASES

RESULTS = ROOT / "benchmarks" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev bench load", description=__doc__)
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES), metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: benchmarks/results/load.json for all cases")
    parser.add_argument("--markdown", action="store_true", help="fill the table of docs/performance.md")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="measure nothing: the table of an earlier run's JSON"
    )
    return parser.parse_args(arguments)


def run(names: Sequence[str], target: Path) -> dict[str, Any]:
    """Measure the named cases."""
    rows = []
    for number, name in enumerate(names, 1):
        print(f"bench: {number} of {len(names)}: {name}", file=sys.stderr)
        rows.append({"case": name, **CASES[name]()})
    results = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        **commit(ROOT),
        "machine": describe(),
        "rows": rows,
    }
    target.write_text(json.dumps(results, indent=1) + "\n")
    print(f"bench: written to {target}", file=sys.stderr)
    return results


def main(arguments: Sequence[str]) -> int:
    """The command."""
    options = parse(arguments)
    target = options.json or RESULTS / ("load.json" if options.case == list(CASES) else "load-partial.json")
    try:
        results = json.loads(options.report.read_text()) if options.report else run(options.case, target)
    except Failure as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(report.text(results))
    if options.markdown:
        document.fill(DOCUMENT, "load", report.markdown(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
