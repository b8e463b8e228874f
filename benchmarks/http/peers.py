"""The environment of the servers that are no part of the product, and the versions of all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.core.process import ROOT
from benchmarks.environment import environment
from benchmarks.http.contestants import CONTESTANTS

__all__ = ["peers_python", "versions"]

PEERS = ROOT / ".venv-bench-http"
LOCK = ROOT / "requirements" / "bench-http.txt"
PACKAGES = {
    "product": ("numpy", "uvicorn", "uvloop", "httptools", "fastapi", "pydantic", "orjson", "apsw"),
    "peers": ("mlserver", "litserve"),
}


def peers_python() -> Path:
    """The interpreter that has MLServer and LitServe. Raises `SetupError`."""
    return environment(PEERS, LOCK, "MLServer and LitServe")


def versions(servers: Sequence[str]) -> dict[str, str]:
    """Of Python, and of the packages that make up the servers."""
    found = _versions(Path(sys.executable), ("python", *PACKAGES["product"]))
    if any(CONTESTANTS[name].home == "peers" for name in servers):
        found |= _versions(peers_python(), PACKAGES["peers"])
    return found


def _versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    code = (
        "import json, platform, sys; from importlib.metadata import version;"
        "print(json.dumps({n: platform.python_version() if n == 'python' else version(n) for n in sys.argv[1:]}))"
    )
    done = subprocess.run([str(python), "-c", code, *packages], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
