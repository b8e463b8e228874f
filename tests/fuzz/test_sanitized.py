"""What reads a client's numbers in C, under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hatch_build import FLAGS
from tests.conftest import sanitizer

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "service" / "codecs" / "native" / "rows.c"
RUNS = 60_000


@pytest.mark.slow
@pytest.mark.sanitizers
@pytest.mark.parametrize("portable", [False, True])
def test_no_byte_out_of_place(tmp_path: Path, pytestconfig: pytest.Config, portable: bool) -> None:
    """With the instructions that x86-64 has, and without."""
    times, seed = pytestconfig.getoption("--fuzz-times"), pytestconfig.getoption("--fuzz-seed")
    library = tmp_path / "rows.so"
    flags = [flag for flag in FLAGS if flag not in {"-O3", "-s"}] + ["-O1", "-g", *(["-U__SSE2__"] if portable else [])]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["cc", *flags, SOURCE, "-o", library], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.sanitized", library, str(RUNS * times), str(seed)],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": sanitizer() or "", "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600 * times,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert int(done.stdout.split()[0]) > RUNS // 2
