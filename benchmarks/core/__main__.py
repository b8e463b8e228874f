"""`./dev bench core`: measure, print tables, write JSON, and fill the table of docs/performance.md."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.command import add_report_options, carry_out, origin
from benchmarks.core import layouts, long_run, report
from benchmarks.core.candidate import Plan, Timing
from benchmarks.core.cases import CASES, Problem, draw
from benchmarks.core.engines.registry import ENGINES, Spec
from benchmarks.core.measure import measure
from benchmarks.core.process import Failure, Process, Resources
from benchmarks.core.reference import Disagreement
from benchmarks.core.toolchain import SetupError, compiled_limit, peers_python

WHATS = ("forward", "backprop", "step", "epochs")
DTYPES = ("float32", "float64")

Setting = tuple[str, str, int, str]
"""(case, dtype, threads, operation)"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    cases = "; ".join(f"{case.name}: {case.title}" for case in CASES.values())
    parser = argparse.ArgumentParser(prog="./dev bench core", description=__doc__, epilog=cases)
    some: dict[str, Any] = {"nargs": "+", "metavar": "NAME"}
    parser.add_argument("--case", choices=CASES, default=list(CASES), help="of a b c d e f", **some)
    parser.add_argument("--dtype", choices=DTYPES, default=list(DTYPES), help="float32, float64", **some)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N", help="default: 1 2")
    parser.add_argument("--what", choices=WHATS, default=list(WHATS), help=", ".join(WHATS), **some)
    parser.add_argument("--engines", choices=ENGINES, default=list(ENGINES), help=", ".join(ENGINES), **some)
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run: a step of case a, float32, one thread, few bursts"
    )
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="bursts of each engine (default: %(default)s)")
    parser.add_argument("--mnist", type=Path, metavar="DIR", help="MNIST's IDX files, for the long run")
    parser.add_argument("--peers-python", type=Path, metavar="PATH", help="a Python that has the peers already")
    parser.add_argument("--no-pin", action="store_true", help="do not keep engines on as many processors as threads")
    add_report_options(parser, "core", can_resume=True)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: for a look on a busy machine")
    parser.add_argument(
        "--layouts", action="store_true", help="only show in which order of storage the products of a step are fastest"
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.case, options.dtype, options.threads, options.rounds = ["a"], ["float32"], [1], 5
        options.what = ["step"] if options.what == list(WHATS) else options.what
    return options


def settings(options: argparse.Namespace) -> Iterator[Setting]:
    """All combinations that are asked for; the long run is one case, in float32."""
    operations = [what for what in options.what if what != "epochs"]
    for dtype in options.dtype:
        for threads in options.threads:
            yield from ((case, dtype, threads, what) for case in options.case for what in operations)
    if "epochs" in options.what and "float32" in options.dtype and "a" in options.case:
        yield from (("a", "float32", threads, "epochs") for threads in options.threads)


def plan_of(options: argparse.Namespace, what: str) -> Plan:
    """A burst of the long run is an epoch."""
    if what == "epochs":
        return Plan(options.rounds, burst_seconds=0.01, budget_seconds=30.0, calibration_rounds=1, clock=options.clock)
    if options.quick:
        return Plan(options.rounds, burst_seconds=0.01, least=3, calibration_rounds=2, clock=options.clock)
    return Plan(options.rounds, clock=options.clock)


class Session:
    """One run of the command: where the engines live, and what was found so far."""

    def __init__(self, options: argparse.Namespace, folder: Path, records: list[dict[str, Any]]) -> None:
        self.options = options
        self.specs = [ENGINES[name] for name in options.engines]
        self.pythons = {"product": Path(sys.executable)}
        if any(spec.home == "peers" for spec in self.specs):
            self.pythons["peers"] = options.peers_python or peers_python()
        library = compiled_limit(folder)
        self.engine_options = {"limit": str(library)} if library else {}
        self.records = records

    def problem(self, case: str, dtype: str, what: str) -> Problem:
        """The numbers of one setting."""
        return long_run.problem(dtype, self.options.mnist) if what == "epochs" else draw(CASES[case], dtype)

    def measure(self, setting: Setting) -> None:
        """One comparison."""
        case, dtype, threads, what = setting
        resources = Resources.of(threads, not self.options.no_pin)
        problem = self.problem(case, dtype, what)
        plan = plan_of(self.options, what)
        timings = measure(problem, what, dtype, resources, self.specs, self.pythons, plan, self.engine_options)
        self.records.append(
            {
                "case": case,
                "title": CASES[case].title,
                "operation": what,
                "dtype": dtype,
                "threads": threads,
                "processors": resources.processors,
                "timings": [as_json(timing) for timing in timings],
            }
        )

    def results(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            **origin(),
            "versions": {home: self.versions(home, python) for home, python in self.pythons.items()},
            "clock": self.options.clock,
            "long_run_data": "MNIST" if self.options.mnist else "synthetic",
            "records": self.records,
        }

    def versions(self, home: str, python: Path) -> dict[str, Any]:
        """What one environment has."""
        process = Process(home, python, Resources.of(1, is_pinned=False))
        try:
            return process.ask("versions")
        finally:
            process.close()


def as_json(timing: Timing) -> dict[str, Any]:
    """With the median beside the bursts, in microseconds."""
    return dataclasses.asdict(timing) | {"median": timing.median}


def is_complete(options: argparse.Namespace) -> bool:
    """Whether nothing was left out."""
    whole = parse([])
    names = ("case", "dtype", "threads", "what", "engines", "clock")
    return all(getattr(options, name) == getattr(whole, name) for name in names)


def show(specs: list[Spec], setting: Setting, number: int, of: int) -> None:
    """Say what is being measured."""
    case, dtype, threads, what = setting
    print(f"bench: {number} of {of}: {case} {what} {dtype}, {threads} threads, {len(specs)} engines", file=sys.stderr)


def setting_of(record: dict[str, Any]) -> Setting:
    """What a record of an earlier run is about."""
    return record["case"], record["dtype"], record["threads"], record["operation"]


def run(options: argparse.Namespace, target: Path) -> dict[str, Any]:
    """Measure all that is asked for; what is found is written after each comparison, so that a long run can be resumed."""
    earlier = json.loads(target.read_text()) if options.resume and target.exists() else {"records": []}
    known = {setting_of(record) for record in earlier["records"]}
    asked = [setting for setting in settings(options) if setting not in known]
    results: dict[str, Any] = earlier
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        session = Session(options, Path(folder), earlier["records"])
        for number, setting in enumerate(asked, 1):
            show(session.specs, setting, number, len(asked))
            session.measure(setting)
            results = session.results()
            target.write_text(json.dumps(results, indent=1) + "\n")
    return results


def main(arguments: Sequence[str]) -> int:
    """The command."""
    options = parse(arguments)
    if options.layouts:
        for dtype in options.dtype:
            print(
                f"The products of a step, {dtype}, one thread, microseconds\n\n{layouts.table(options.case, dtype)}\n"
            )
        return 0
    return carry_out(
        options,
        "core",
        lambda target: run(options, target),
        report.text,
        lambda results: [("core", report.markdown(results))],
        (Disagreement, Failure, SetupError),
        complete=is_complete(options),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
