"""`./dev bench load`: measure, print a table, write JSON, and fill the table of docs/performance.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.command import add_report_options, carry_out, origin
from benchmarks.http.process import Failure
from benchmarks.load import report
from benchmarks.load.cases import CASES


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev bench load", description=__doc__)
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES), metavar="NAME", help=", ".join(CASES))
    add_report_options(parser, "load", can_resume=False)
    return parser.parse_args(arguments)


def run(names: Sequence[str], target: Path) -> dict[str, Any]:
    """Measure the named cases."""
    rows = []
    for number, name in enumerate(names, 1):
        print(f"bench: {number} of {len(names)}: {name}", file=sys.stderr)
        rows.append({"case": name, **CASES[name]()})
    results = {
        **origin(),
        "rows": rows,
    }
    target.write_text(json.dumps(results, indent=1) + "\n")
    return results


def main(arguments: Sequence[str]) -> int:
    """The command."""
    options = parse(arguments)
    return carry_out(
        options,
        "load",
        lambda target: run(options.case, target),
        report.text,
        lambda results: [("load", report.markdown(results))],
        (Failure,),
        complete=options.case == list(CASES),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
