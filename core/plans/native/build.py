"""Compiles `run.c` when the package is built: by the C compiler that there is, or else by that of the package `ziglang`.

Invariant: a build without a compiler, or whose compiler fails, fails. The library links against nothing of Python's, so that
one wheel serves every version of it on a platform.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["NativeBuild", "compile_library"]

_HERE = Path("core") / "plans" / "native"
_FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-shared", "-s", "-Wall", "-Wextra", "-Werror")


class NativeBuild(BuildHookInterface[Any]):
    """Hatchling's way in."""

    def dependencies(self) -> list[str]:
        """What must be installed to build here."""
        return [] if shutil.which("cc") else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  a version is all the same
        """Compile, and say that the wheel is this platform's."""
        if self.target_name != "wheel":
            return
        compile_library(Path(self.root) / _HERE)
        build_data["artifacts"].append(str(_HERE / "run.so"))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compile_library(folder: Path) -> None:
    """Make `run.so` of `run.c`.

    Raises:
        subprocess.CalledProcessError: the compiler refused it, and has said why.
    """
    with tempfile.TemporaryDirectory() as cache:
        made = Path(cache) / "run.so"
        environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        command = [*_compiler(), *_FLAGS, str(folder / "run.c"), "-o", str(made)]
        subprocess.run(command, check=True, env=environment)  # noqa: S603  a compiler that is installed here
        shutil.move(made, folder / "run.so")  # a process that has the old one loaded keeps it


def _compiler() -> list[str]:
    found = shutil.which("cc")
    # Zig would take the machine's own instructions for granted, and a wheel may go to another one.
    return [found] if found else [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]
