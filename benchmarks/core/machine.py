"""What a measurement was made on: processor, memory, system, versions, BLAS. Nothing that names the machine or its user."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["commit", "describe", "versions"]

_PACKAGES = ("numpy", "scipy", "scipy-openblas32", "torch", "jax", "jaxlib", "autograd", "cupy-cuda12x")


def describe() -> dict[str, Any]:
    """The machine."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "processors": processors,
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        fields = dict(
            (part.strip() for part in line.split(":", 1))
            for line in information.read_text().split("\n\n")[0].splitlines()
            if ":" in line
        )
        features = [
            name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if name in fields.get("flags", "").split()
        ]
        model = fields.get("model name", platform.processor())
        return f"{model} (family {fields.get('cpu family')}, model {fields.get('model')}; {' '.join(features)})"
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def commit(root: Path) -> dict[str, Any]:
    """Which state of the repository was measured."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    changes = git("status", "--porcelain", "--", "core", "service", "benchmarks")
    return {"commit": git("rev-parse", "HEAD"), "changed": None if changes is None else bool(changes)}


def versions() -> dict[str, Any]:
    """Of the process that asks: packages, and what NumPy's BLAS says of itself."""
    found: dict[str, Any] = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    found["blas"] = _blas()
    if "torch" in sys.modules:
        found["torch_parallel"] = sys.modules["torch"].__config__.parallel_info().splitlines()[0:12]
    return found


def _blas() -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 - the orchestrator describes the machine without it
    import scipy  # noqa: PLC0415 - as above

    found = {}
    for module in (np, scipy):
        with contextlib.redirect_stdout(io.StringIO()):
            configuration = module.show_config(mode="dicts")
        blas = configuration["Build Dependencies"]["blas"]
        found[module.__name__] = {key: blas.get(key) for key in ("name", "version", "openblas configuration")}
    return found
