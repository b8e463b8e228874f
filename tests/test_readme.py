"""What README.md shows is what happens: its commands run in bash against a real server, and its answers are compared.

A ```bash block is run, in one shell session with the others; a ```json or ```http block is what the block before it prints.
Identifiers and times differ from run to run; numbers may differ in the last digits from machine to machine.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import Running

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = BLOCK.findall((ROOT / "README.md").read_text())
WALK = [(kind, text) for kind, text in BLOCKS if kind in {"bash", "json", "http"}]
VARYING = {"id", "created_at", "updated_at", "request_id"}
SEPARATOR = "----- end of block -----"


def test_every_answer_follows_a_command() -> None:
    kinds = [kind for kind, _ in WALK]
    assert kinds.count("bash") >= 9
    assert kinds == [kind for pair in zip(kinds[::2], kinds[1::2], strict=True) for kind in pair]
    assert all(kind == "bash" for kind in kinds[::2])
    assert not any(kind == "bash" for kind in kinds[1::2])


def test_the_walk_through_happens_as_it_is_shown(tmp_path: Path) -> None:
    assert shutil.which("bash"), "this test needs bash"
    assert shutil.which("curl"), "this test needs curl"
    commands = [text for kind, text in WALK if kind == "bash"]
    shown = [(kind, text) for kind, text in WALK if kind != "bash"]
    server = Running(tmp_path)
    try:
        script = f"\necho; echo '{SEPARATOR}'\n".join(commands).replace("http://127.0.0.1:8000", server.url)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
    finally:
        server.stop()
    printed = done.stdout.split(SEPARATOR)
    assert len(printed) == len(shown)
    for actual, (kind, expected) in zip(printed, shown, strict=True):
        (_same_http if kind == "http" else _same_json)(actual, expected)


def test_the_port_in_the_examples_is_the_default_one() -> None:
    ports = set(re.findall(r"127\.0\.0\.1:(\d+)", (ROOT / "README.md").read_text()))
    assert ports == {"8000"}


def _same_json(actual: str, expected: str) -> None:
    _same(json.loads(actual), json.loads(expected), "")


def _same_http(actual: str, expected: str) -> None:
    """The status line, the headers that are shown, and the body."""
    (status, headers, body), (shown_status, shown_headers, shown_body) = _parts(actual), _parts(expected)
    assert status == shown_status
    assert shown_headers.items() <= headers.items()
    _same_json(body, shown_body)


def _parts(message: str) -> tuple[str, dict[str, str], str]:
    head, _, body = message.replace("\r\n", "\n").strip().partition("\n\n")
    status, *lines = head.splitlines()
    return status, dict(line.split(": ", 1) for line in lines), body


def _same(actual: Any, expected: Any, place: str) -> None:
    if isinstance(expected, dict):
        assert list(actual) == list(expected), f"{place}: {list(actual)}"
        for name, value in expected.items():
            if name not in VARYING:
                _same(actual[name], value, f"{place}/{name}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), place
        for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
            _same(one, other, f"{place}/{index}")
    elif isinstance(expected, float):
        assert actual == pytest.approx(expected, rel=1e-4, abs=1e-6), place
    else:
        assert actual == expected, place


@pytest.mark.parametrize(
    "change",
    [
        lambda shown: shown.replace('"version": 1', '"version": 2'),
        lambda shown: shown.replace("0.80179", "0.80279"),
        lambda shown: shown.replace('"gradient_norm"', '"norm"'),
        lambda shown: shown.replace('etag: "1"', 'etag: "2"'),
    ],
)
def test_the_comparison_sees_a_difference(change: Callable[[str], str]) -> None:
    shown = next(text for kind, text in WALK if kind == "http")
    _same_http(shown, shown)
    with pytest.raises(AssertionError):
        _same_http(shown, change(shown))
