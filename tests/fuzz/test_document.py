"""The server and its OpenAPI document agree: Schemathesis draws requests from the document and judges the answers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.running import environment
from tests.fuzz.watched import Watched

HERE = Path(__file__).parent
EXAMPLES = 150
"""Requests drawn for each operation in the fuzzing phase, and scenarios in the stateful one."""
PROGRAM = Path(sys.executable).with_name("schemathesis")


@pytest.mark.slow
def test_the_server_does_what_its_document_says(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    times, seed = pytestconfig.getoption("--fuzz-times"), pytestconfig.getoption("--fuzz-seed")
    server = Watched(tmp_path)
    try:
        command = [
            *(PROGRAM, "--config-file", HERE / "schemathesis.toml", "run", f"{server.url}/openapi.json"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--seed", str(seed + 1)),
            *("--max-examples", str(EXAMPLES * times), "--no-color", "--warnings", "off"),
        ]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(
                SCHEMATHESIS_HOOKS="tests.fuzz.schemathesis_hooks",
                PYTHONPATH=str(HERE.parents[1]),
                FUZZ_WITNESSES=" ".join(path.rpartition("/")[2] for path in server.witnesses),
                FUZZ_JOBS=" ".join(path.rpartition("/")[2] for path in server.jobs),
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=600 * times,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        generated = re.search(r"(\d+) generated", said)
        assert generated, said
        assert int(generated[1]) > 2000, said
        server.require_whole()
    finally:
        server.stop()
