"""The start keeps large blocks, whose pages are not faulted in anew for each body, and its own objects out of collections."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from service.allocator import keep_large_blocks
done = keep_large_blocks()
for _ in range(3): bytearray(4 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50): bytearray(4 << 20)
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**extra: str) -> tuple[str, int]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | extra
    said = subprocess.run([sys.executable, "-c", FAULTS], env=environment, capture_output=True, text=True, check=True)
    done, count = said.stdout.split()
    return done, int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other settings")
def test_large_blocks_stay_with_the_process() -> None:
    assert faults() == ("True", pytest.approx(0, abs=50))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other settings")
def test_the_environment_has_the_last_word() -> None:
    done, count = faults(MALLOC_MMAP_THRESHOLD_="65536")
    assert done == "True"
    assert count > 1000  # 50 blocks of 1,024 pages, each mapped anew


OBJECTS = """
import gc
import service.server
from service.allocator import keep_objects
before = len(gc.get_objects())
keep_objects()
print(before, len(gc.get_objects()))
"""


def test_what_a_start_loads_is_no_part_of_later_collections() -> None:
    said = subprocess.run([sys.executable, "-c", OBJECTS], capture_output=True, text=True, check=True)
    before, after = map(int, said.stdout.split())
    assert before > 50_000
    assert after < 100
