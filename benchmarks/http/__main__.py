"""`./dev bench http`: measure, print tables, write JSON, and fill the tables of docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import add_report_options, carry_out, origin
from benchmarks.core.reference import Disagreement
from benchmarks.environment import SetupError
from benchmarks.http import report
from benchmarks.http.calls import CALLS, Call, Numbers
from benchmarks.http.contestants import CONTESTANTS, Contestant
from benchmarks.http.measure import Plan, measure
from benchmarks.http.peers import peers_python, versions
from benchmarks.http.process import Failure


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev bench http", description=__doc__)
    some: dict[str, Any] = {"nargs": "+", "metavar": "NAME"}
    parser.add_argument("--call", choices=CALLS, default=list(CALLS), help=", ".join(CALLS), **some)
    parser.add_argument(
        "--servers", choices=CONTESTANTS, default=list(CONTESTANTS), help=", ".join(CONTESTANTS), **some
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], metavar="N", help="default: 1 8")
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="bursts of each server (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one row, one connection, few bursts")
    add_report_options(parser, "http", can_resume=True)
    options = parser.parse_args(arguments)
    if options.quick:
        options.clients, options.rounds = [1], 5
        if options.call == list(CALLS):
            options.call = [name for name in CALLS if name.endswith("-1")]
    return options


def is_complete(options: argparse.Namespace) -> bool:
    """Whether nothing was left out."""
    whole = parse([])
    return all(getattr(options, name) == getattr(whole, name) for name in ("call", "servers", "clients", "rounds"))


def apart() -> set[int]:
    """Leave the first processor to the client: what is started now runs on the others. All that there are.

    Where the scheduler is free, it puts a server now on the client's processor and now on another, which is a quarter or a
    half of the processor time of a small request, and more for one server than for another.
    """
    processors = os.sched_getaffinity(0)
    if len(processors) > 1:
        os.sched_setaffinity(0, processors - {min(processors)})
    return processors


@contextmanager
def running(names: Sequence[str]) -> Iterator[list[Contestant]]:
    """The servers, started, and ended afterwards."""
    started: list[Contestant] = []
    pythons = {"product": Path(sys.executable)}
    if any(CONTESTANTS[name].home == "peers" for name in names):
        pythons["peers"] = peers_python()
    with tempfile.TemporaryDirectory(prefix="bench-http-") as folder:
        np.save(Path(folder) / "parameters.npy", Numbers(next(iter(CALLS.values()))).vector)
        all_processors = apart()
        try:
            for name in names:
                contestant = CONTESTANTS[name]
                contestant.start(pythons[contestant.home], Path(folder))
                started.append(contestant)
            os.sched_setaffinity(0, all_processors - os.sched_getaffinity(0) or all_processors)
            yield started
        finally:
            os.sched_setaffinity(0, all_processors)
            for contestant in started:
                contestant.server.close()


def record(call: Call, clients: int, contestants: Sequence[Contestant], plan: Plan) -> dict[str, Any]:
    """One comparison."""
    timings = measure(call, clients, contestants, plan)
    return {
        "call": call.name,
        "title": call.title,
        "bar": call.bar,
        "clients": clients,
        "timings": [timing.document() for timing in timings],
    }


def run(options: argparse.Namespace, target: Path) -> dict[str, Any]:
    """Measure all that is asked for; what is found is written after each comparison, so that a run can be resumed."""
    earlier = json.loads(target.read_text()) if options.resume and target.exists() else {"records": []}
    records: list[dict[str, Any]] = earlier["records"]
    known = {(each["call"], each["clients"]) for each in records}
    asked = [(CALLS[name], clients) for clients in options.clients for name in options.call]
    asked = [(call, clients) for call, clients in asked if (call.name, clients) not in known]
    results: dict[str, Any] = earlier
    plan = Plan(options.rounds, burst_seconds=0.02) if options.quick else Plan(options.rounds)
    with running(options.servers) as contestants:
        for number, (call, clients) in enumerate(asked, 1):
            print(f"bench: {number} of {len(asked)}: {call.title}, {clients} connections", file=sys.stderr)
            records.append(record(call, clients, contestants, plan))
            results = {
                **origin(),
                "versions": versions(options.servers),
                "records": records,
            }
            target.write_text(json.dumps(results, indent=1) + "\n")
    return results


def main(arguments: Sequence[str]) -> int:
    """The command."""
    options = parse(arguments)
    return carry_out(
        options,
        "http",
        lambda target: run(options, target),
        report.text,
        lambda results: [("http", report.markdown(results))],
        (Disagreement, Failure, SetupError),
        complete=is_complete(options),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
