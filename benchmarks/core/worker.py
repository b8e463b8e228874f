"""One engine in a process of its own: reads one JSON line a request from standard input, and answers with one.

Invariant: it computes only between a request and its answer. Whatever an engine prints goes to standard error.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

Message = dict[str, Any]


class Worker:
    """Holds the engine that `open` built."""

    def open(self, request: Message) -> Message:
        """Build the engine: imports, compilation and the first checks that it does itself."""
        import numpy as np  # noqa: PLC0415 - NumPy comes after the process is pinned

        from benchmarks.core.cases import CASES, Batch  # noqa: PLC0415 - NumPy comes after the process is pinned
        from benchmarks.core.engines import Task, Unavailable  # noqa: PLC0415 - as above

        folder = Path(request["problem"])
        arrays = [np.load(folder / f"{name}.npy") for name in ("vector", "x", "y", "labels")]
        batches = [Batch(*each) for each in zip(*arrays[1:], strict=True)]
        task = Task(
            CASES[request["case"]],
            request["operation"],
            request["dtype"],
            request["threads"],
            request["variant"],
            arrays[0],
            batches,
            request["options"],
        )
        try:
            self.engine = importlib.import_module(request["module"]).build(task)
        except (ImportError, Unavailable) as error:
            return {"unavailable": f"{type(error).__name__}: {error}"}
        gc.collect()
        gc.freeze()
        gc.disable()
        return {"share": getattr(self.engine, "share", 1.0), "note": getattr(self.engine, "note", "")}

    def burst(self, request: Message) -> Message:
        """Time `count` operations, after one that warms the caches where `warm` says so."""
        if request["warm"]:
            self.engine.run(1)
        gc.collect()
        start, start_of_work = perf_counter(), process_time()
        self.engine.run(request["count"])
        return {"wall": perf_counter() - start, "cpu": process_time() - start_of_work}

    def result(self, request: Message) -> Message:
        """Write what the engine has arrived at to a file."""
        import numpy as np  # noqa: PLC0415 - NumPy comes after the process is pinned

        np.save(request["to"], self.engine.result())
        return {}

    def versions(self, _request: Message) -> Message:
        """What the process runs on."""
        from benchmarks.core.machine import versions  # noqa: PLC0415 - as above

        return versions()


def pin(processors: list[int] | None) -> None:
    """Stay on these processors, before anything counts them; only where the system can."""
    if processors and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)


def main() -> None:
    """Serve requests until the input ends."""
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)
        pin(json.loads(sys.argv[1]))
        worker = Worker()
        acts: dict[str, Callable[[Message], Message]] = {
            "open": worker.open,
            "burst": worker.burst,
            "result": worker.result,
            "versions": worker.versions,
        }
        for line in sys.stdin:
            request = json.loads(line)
            answers.write(json.dumps(acts[request["do"]](request)) + "\n")


if __name__ == "__main__":
    main()
