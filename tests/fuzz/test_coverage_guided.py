"""A short run of the coverage-guided fuzzing; `python -m tests.fuzz.coverage_guided` goes on for as long as one likes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS = 20_000


@pytest.mark.slow
@pytest.mark.atheris
def test_the_codecs_stand_a_short_run(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    times, seed = pytestconfig.getoption("--fuzz-times"), pytestconfig.getoption("--fuzz-seed")
    command = [
        *(sys.executable, "-m", "tests.fuzz.coverage_guided", tmp_path / "corpus"),
        *(f"-runs={RUNS * times}", f"-max_total_time={60 * times}", f"-seed={seed + 1}", "-max_len=8192"),
        *("-timeout=10", "-rss_limit_mb=1500", f"-artifact_prefix={tmp_path}/"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600 * times)
    assert done.returncode == 0, done.stderr[-5000:]
    ran = re.search(r"Done (\d+) runs", done.stderr)
    assert ran, done.stderr[-5000:]
    assert int(ran[1]) > 500, done.stderr[-5000:]
