"""`./dev bench store`: measure, print tables, write JSON, and fill the tables of docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from benchmarks.command import RESULTS, add_report_options, carry_out, origin
from benchmarks.http.process import Failure
from benchmarks.store import report
from benchmarks.store.cases import CASES, QUICK, Case
from benchmarks.store.measure import commits, rates, slots
from benchmarks.store.modes import modes
from benchmarks.store.over_http import steps
from benchmarks.store.subjects import Wrong

LONG_RUN = 10_000


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev bench store", description=__doc__)
    some: dict[str, Any] = {"nargs": "+", "metavar": "NAME"}
    parser.add_argument("--case", choices=CASES, default=list(CASES), help=", ".join(CASES), **some)
    parser.add_argument("--quick", action="store_true", help="a smoke run: 100 KB, few commits")
    parser.add_argument(
        "--full", action="store_true", help=f"{LONG_RUN:,} steps at 10 MB in place of {CASES['slots'].count}"
    )
    parser.add_argument("--rounds", type=int, default=5, help="bursts of many clients (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the disk is; default: %(default)s")
    add_report_options(parser, "store", can_resume=True)
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds = 1
        options.case = list(QUICK) if options.case == list(CASES) else options.case
    return options


def is_complete(options: argparse.Namespace) -> bool:
    """Whether nothing was left out."""
    return bool(options.case == list(CASES) and not options.quick)


def measured(case: Case, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One row."""
    count = case.burst if options.quick else case.count
    if case.name == "slots":
        wanted = LONG_RUN if options.full else 10 if options.quick else case.count
        found = slots(case, folder, wanted, lambda step: print(f"bench: {step} steps", file=sys.stderr))
        kind = "slots"
    elif case.optimizer is not None:
        kind, found = "modes", modes(case, folder, count)
    elif case.name == "http":
        kind, found = "http", steps(case, folder, count)
    elif case.clients > 1:
        kind, found = "rates", rates(case, folder, options.rounds)
    else:
        kind, found = "commits", commits(case, folder, count)
    about = {"case": case.name, "title": case.title, "kind": kind, "nbytes": case.nbytes, "clients": case.clients}
    return {**about, "bar": case.bar, "optimizer": case.optimizer, **found}


def run(options: argparse.Namespace, target: Path) -> dict[str, Any]:
    """Measure all that is asked for; what is found is written after each row, so that a long run can be resumed."""
    results: dict[str, Any] = json.loads(target.read_text()) if options.resume and target.exists() else {"records": []}
    known = {record["case"] for record in results["records"]}
    for number, name in enumerate(asked := [name for name in options.case if name not in known], 1):
        case = CASES[name]
        print(f"bench: {number} of {len(asked)}: {name}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="bench-store-", dir=options.folder) as folder:
            record = measured(case, Path(folder), options)
        results = {
            **origin(),
            "file_system": file_system(options.folder),
            "sqlite": apsw.sqlite_lib_version(),
            "records": [*results["records"], record],
        }
        target.write_text(json.dumps(results, indent=1) + "\n")
    return results


def file_system(folder: Path) -> str:
    """Its kind, by the longest mount point above the folder; nothing that names the machine."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "an unknown file system"
    place = os.path.realpath(folder)
    found = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    above = [(len(mount), kind) for mount, kind in found if os.path.commonpath([mount, place]) == mount]
    return max(above)[1]


def main(arguments: Sequence[str]) -> int:
    """The command."""
    options = parse(arguments)
    return carry_out(
        options,
        "store",
        lambda target: run(options, target),
        report.text,
        lambda results: ((name, report.markdown(part)) for name, part in report.parts(results)),
        (
            Failure,
            Wrong,
        ),
        complete=is_complete(options),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
