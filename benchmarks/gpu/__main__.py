"""`./dev bench gpu`: the cases on a CUDA device against PyTorch on that device, as it is, compiled, and as a CUDA graph.

Where no CUDA device answers it says that nothing was run, and fails. Whether a step of ours waits for the host is said beside it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.command import RESULTS
from benchmarks.core import report
from benchmarks.core.__main__ import as_json
from benchmarks.core.candidate import Plan
from benchmarks.core.cases import CASES, draw
from benchmarks.core.engines.registry import Spec
from benchmarks.core.machine import commit, describe
from benchmarks.core.measure import measure
from benchmarks.core.process import ROOT, Failure, Resources
from benchmarks.core.reference import Disagreement
from benchmarks.core.toolchain import SetupError, peers_python

OPERATIONS = ("forward", "backprop", "step")
SPECS = (
    Spec("gradwire", "benchmarks.gpu.gradwire", "product"),
    Spec("torch", "benchmarks.core.engines.torch_eager", "peers", {"step": ("", "foreach", "fused")}),
    Spec("graph", "benchmarks.gpu.torch_graph", "peers", {"step": ("", "foreach", "fused")}),
    Spec(
        "compile", "benchmarks.core.engines.torch_compile", "peers", dict.fromkeys(OPERATIONS[1:], ("module", "whole"))
    ),
)
PROBES = {
    "product": "import cupy; cupy.cuda.runtime.getDeviceCount(); print(cupy.cuda.runtime.getDeviceProperties(0)['name'].decode())",
    "peers": "import torch; print(torch.cuda.get_device_name(0))",
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev bench gpu", description=__doc__)
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES), metavar="NAME")
    parser.add_argument("--dtype", choices=("float32", "float64"), nargs="+", default=["float32"], metavar="NAME")
    parser.add_argument("--what", choices=OPERATIONS, nargs="+", default=list(OPERATIONS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=Plan.rounds)
    parser.add_argument("--peers-python", type=Path, metavar="PATH", help="a Python that has PyTorch already")
    parser.add_argument("--json", type=Path, default=RESULTS / "gpu.json", metavar="FILE")
    return parser.parse_args(arguments)


def device(home: str, python: Path) -> tuple[str | None, str]:
    """The device's name as that environment sees it, or None and the reason."""
    probe = subprocess.run([str(python), "-c", PROBES[home]], capture_output=True, text=True, check=False)
    if probe.returncode:
        return None, (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
    return probe.stdout.strip(), ""


def main(arguments: Sequence[str]) -> int:
    """The command; the product's environment is asked first, so that the peers' is not made for nothing."""
    options = parse(arguments)
    pythons = {"product": Path(sys.executable)}
    names = {}
    try:
        for home in ("product", "peers"):
            if home == "peers":
                pythons[home] = options.peers_python or peers_python()
            name, reason = device(home, pythons[home])
            if name is None:
                print(f"NOT RUN: the GPU benchmark needs a CUDA device, CuPy and PyTorch for CUDA ({home}: {reason})")
                return 1
            names[home] = name
        records = list(_records(options, pythons))
    except (Disagreement, Failure, SetupError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    date = dt.datetime.now(dt.UTC).date().isoformat()
    results = {"date": date, **commit(ROOT), "machine": describe(), "devices": names, "records": records}
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(report.text(results))
    print("\n".join(launches(records)))
    return 0


def launches(records: list[dict[str, Any]]) -> list[str]:
    """What holds a step of ours back, case by case."""
    steps = [record for record in records if record["operation"] == "step"]
    notes = [(record, each["note"]) for record in steps for each in record["timings"] if each["engine"] == "gradwire"]
    return [f"{record['case']} {record['dtype']}: {note}" for record, note in notes]


def _records(options: argparse.Namespace, pythons: dict[str, Path]) -> Iterator[dict[str, Any]]:
    resources = Resources.of(1, is_pinned=False)
    for case in (CASES[name] for name in options.case):
        for dtype in options.dtype:
            for what in options.what:
                print(f"bench: {case.name} {what} {dtype}", file=sys.stderr)
                problem, plan = draw(case, dtype), Plan(options.rounds)
                timings = measure(problem, what, dtype, resources, SPECS, pythons, plan, {"device": "cuda"})
                yield {
                    "case": case.name,
                    "title": case.title,
                    "operation": what,
                    "dtype": dtype,
                    "threads": 1,
                    "timings": [as_json(timing) for timing in timings],
                }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
