"""How memory is kept: bodies of megabytes come out of what is there, and nobody looks through what stays for good.

By itself glibc gives large blocks back to the kernel at once, and the next body faults every page in again: 1.5 to 2.8 times
the whole request for bodies of megabytes. The price is up to 128 MiB that stay with the process.
"""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Final

__all__ = ["keep_large_blocks", "keep_objects"]

_SETTINGS: Final = (
    # glibc's malloc.h: number of the option, its value, and the variable by which a person sets it
    (-3, 32 * 2**20, "MALLOC_MMAP_THRESHOLD_"),
    (-1, 128 * 2**20, "MALLOC_TRIM_THRESHOLD_"),
    (-2, 16 * 2**20, "MALLOC_TOP_PAD_"),
)


def keep_large_blocks() -> bool:
    """Set glibc's thresholds for this process, but for those that the environment sets; False where it is not glibc."""
    mallopt = _mallopt()
    if mallopt is None:
        return False
    answers = {mallopt(option, value) for option, value, name in _SETTINGS if name not in os.environ}
    return 0 not in answers


def keep_objects() -> None:
    """Leave all objects that there are now out of every later garbage collection.

    Modules and schemas are some hundred thousand objects, and a full collection would stop the event loop for as long as it
    takes to look through them.
    """
    gc.collect()
    gc.freeze()


def _mallopt() -> ctypes._NamedFuncPointer | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    # musl and macOS have no `gnu_get_libc_version`; some have a `mallopt` that means something else.
    if not hasattr(library, "gnu_get_libc_version"):
        return None
    function: ctypes._NamedFuncPointer = library.mallopt
    return function
