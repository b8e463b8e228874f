"""`./dev bench`: lists the benchmarks, or runs the named one with its own arguments."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "core": "a step, backprop and forward pass against bare matrix products, PyTorch, JAX and others, on the CPU",
    "gpu": "the same on a CUDA device, against PyTorch on that device",
    "store": "a commit of 100 KB to 400 MB, by one client and by 64, against a raw overwrite and its fdatasync",
    "http": "what a request costs the server, against a bare ASGI echo, FastAPI with pydantic, MLServer and LitServe",
    "load": "who waits beside long computations and at ten times the capacity, and the memory of a large request",
}


def usage() -> str:
    """What there is to run."""
    lines = [f"  {name:<6} {purpose}" for name, purpose in BENCHMARKS.items()]
    return "\n".join(["usage: ./dev bench NAME [OPTIONS]   (NAME --help for its options)", "", *lines])


def main() -> int:
    """Dispatch to `benchmarks.NAME.__main__`."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0
    name, *rest = arguments
    if name not in BENCHMARKS:
        print(f"unknown benchmark: {name}\n{usage()}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"benchmarks.{name}.__main__")
    return int(module.main(rest))


if __name__ == "__main__":
    sys.exit(main())
