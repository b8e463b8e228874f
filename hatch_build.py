"""Compiles what is written in C when the package is built: by the compiler that there is, or else by that of `ziglang`.

Invariant: a build without a compiler, or whose compiler fails, fails. The libraries link against nothing of Python's, so that
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

__all__ = ["FLAGS", "NativeBuild", "compile_library"]

_SOURCES = (Path("core/plans/native/run.c"), Path("service/codecs/native/rows.c"))
FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-shared", "-s", "-Wall", "-Wextra", "-Werror")


class NativeBuild(BuildHookInterface[Any]):
    """Hatchling's way in."""

    def dependencies(self) -> list[str]:
        """What must be installed to build here."""
        return [] if shutil.which("cc") else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  a version is all the same
        """Compile, and say that the wheel is this platform's."""
        if self.target_name != "wheel":
            return
        for source in _SOURCES:
            library = compile_library(Path(self.root) / source)
            build_data["artifacts"].append(str(library.relative_to(self.root)))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compile_library(source: Path) -> Path:
    """The library beside its source.

    Raises:
        subprocess.CalledProcessError: the compiler refused it, and has said why.
    """
    with tempfile.TemporaryDirectory() as cache:
        made = Path(cache) / source.with_suffix(".so").name
        environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        command = [*_compiler(), *FLAGS, str(source), "-o", str(made)]
        subprocess.run(command, check=True, env=environment)  # noqa: S603  a compiler that is installed here
        return Path(shutil.move(made, source.with_suffix(".so")))  # a process that has the old one loaded keeps it


def _compiler() -> list[str]:
    found = shutil.which("cc")
    # Zig would take the machine's own instructions for granted, and a wheel may go to another one.
    return [found] if found else [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]
