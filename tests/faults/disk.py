"""An ext4 file system of its own whose power can be lost: what was not synced is gone, as after pulling the plug.

`EXT4_IOC_SHUTDOWN` without a log flush stops the file system where it stands: from then on nothing reaches the device and
every sync fails, so that nothing can be acknowledged that would be lost. What the page cache alone had goes with the mount.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
_NO_LOG_FLUSH = 2
_WRITE_NOW = 1 | 2 | 4  # SYNC_FILE_RANGE_WAIT_BEFORE | _WRITE | _WAIT_AFTER
_LIBC = ctypes.CDLL(None, use_errno=True)


class Disk:
    """Mounted at `mount` while there is power."""

    def __init__(self, folder: Path, megabytes: int = 64) -> None:
        self._image = folder / "disk.img"
        self.mount = folder / "disk"
        self.mount.mkdir(parents=True)
        self._megabytes = megabytes
        self._mounted = False
        self.format()

    def format(self) -> None:
        """An empty file system, mounted."""
        self.unmount()
        self._image.unlink(missing_ok=True)
        self._image.touch()
        os.truncate(self._image, self._megabytes * 2**20)
        subprocess.run(["mkfs.ext4", "-qF", "-E", "lazy_itable_init=1", str(self._image)], check=True)
        self._mount()

    def lose_power(self) -> None:
        """Stop the file system as it is; whoever still writes to it gets EIO."""
        folder = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def restart(self) -> None:
        """Power is back: whatever reached the device is what there is. Nobody may have a file open."""
        self.unmount()
        self._mount()

    def write_some_back(self, folder: Path, rng: random.Random) -> None:
        """Let the kernel write back some of the dirty pages, in no order: it may do so whenever it likes."""
        for path in folder.rglob("*"):
            if not path.is_file():
                continue
            descriptor = os.open(path, os.O_RDWR)
            for offset in range(0, path.stat().st_size, 4096):
                if rng.random() < 0.5:
                    _LIBC.sync_file_range(descriptor, ctypes.c_long(offset), ctypes.c_long(4096), _WRITE_NOW)
            os.close(descriptor)

    def unmount(self) -> None:
        if not self._mounted:
            return
        for _ in range(100):  # a process that was just killed may hold it for a moment
            done = subprocess.run(["umount", str(self.mount)], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                self._mounted = False
                return
            time.sleep(0.05)
        raise AssertionError(done.stderr)

    def discard(self) -> None:
        """Leave nothing mounted, though a process that a failed test has left may still have files open."""
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self.mount)], check=True)
            self._mounted = False

    def _mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self._image), str(self.mount)], check=True)
        self._mounted = True


@contextmanager
def small(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system in memory that is full soon."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def disk(folder: Path, megabytes: int = 64) -> Iterator[Disk]:
    made = Disk(folder, megabytes)
    try:
        yield made
    finally:
        made.discard()
