"""What the fault harnesses need of the machine, and the words that say so where it is missing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@cache
def cannot_trace() -> str:
    """Why system calls cannot be made to fail here; empty where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed: no fault can be injected into a system call"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()}"


@cache
def cannot_lose_power() -> str:
    """Why a file system cannot lose its power here; empty where it can."""
    if os.geteuid() != 0:
        return "power loss needs root: a file system of its own is mounted and shut down"
    if shutil.which("mkfs.ext4") is None:
        return "mkfs.ext4 (e2fsprogs) is not installed: there is no file system whose power could be lost"
    with tempfile.TemporaryDirectory() as folder:
        image, mount = Path(folder, "image"), Path(folder, "mount")
        mount.mkdir()
        image.touch()
        os.truncate(image, 2**24)
        made = subprocess.run(["mkfs.ext4", "-qF", str(image)], capture_output=True, text=True, check=False)
        tried = subprocess.run(
            ["mount", "-o", "loop", str(image), str(mount)], capture_output=True, text=True, check=False
        )
        if tried.returncode == 0:
            subprocess.run(["umount", str(mount)], check=True)
            return ""
    return f"no file system can be mounted here: {(made.stderr + tried.stderr).strip()}"


def freeze(process: int) -> None:
    """Stop every thread of a process outside of the kernel, so that no system call is under way; SIGCONT lets it go on."""
    os.kill(process, signal.SIGSTOP)
    deadline = time.monotonic() + 60
    while any(_state(task) != "T" for task in Path(f"/proc/{process}/task").iterdir()):
        assert time.monotonic() < deadline, "a thread does not stop"
        time.sleep(0.001)


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


@cache
def cannot_mount_small() -> str:
    """Why no small file system can be mounted here; empty where it can."""
    if os.geteuid() != 0:
        return "a full disk needs root: a small file system of its own is mounted"
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
        tried = subprocess.run(mount, capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            subprocess.run(["umount", folder], check=True)
            return ""
    return f"no small file system can be mounted here: {tried.stderr.strip()}"


needs_small_disk = pytest.mark.skipif(bool(cannot_mount_small()), reason=cannot_mount_small())
needs_strace = pytest.mark.skipif(bool(cannot_trace()), reason=cannot_trace())
needs_power_loss = pytest.mark.skipif(bool(cannot_lose_power()), reason=cannot_lose_power())
