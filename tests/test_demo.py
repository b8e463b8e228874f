"""The demo, as a stranger runs it: it ends well, what it tells them to type works, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from io import StringIO
from pathlib import Path

import httpx
import pytest
from demo_drawing import curve_text
from demo_report import Promises
from demo_training import Digits

from tests.end_to_end.running import GRADWIRE, environment

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "examples" / "digits_demo.py"
LISTENING = re.compile(r"listening on (http://\S+),")


@pytest.mark.slow
def test_it_learns_through_a_kill_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "a new folder"
    command = [sys.executable, DEMO, "--output", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout

    epochs = re.findall(r"epoch ( ?\d+)/30  \S+  cost ([\d.]+)   accuracy ([\d.]+)", said)
    assert [int(number) for number, _, _ in epochs] == list(range(1, 31))
    assert float(epochs[-1][1]) < float(epochs[0][1]) / 10
    assert 0.90 <= float(epochs[-1][2]) <= 0.96
    last = re.search(r"the last answer made version (\d+); step (\d+) was in flight", said)
    assert last
    assert int(last[2]) == int(last[1]) + 1 == 14 * 144 + 72 + 1
    assert len(re.findall(r"^  held    ", said, re.MULTILINE)) == 7
    assert "BROKEN" not in said
    assert ET.parse(folder / "learning-curve.svg").getroot().tag.endswith("svg")
    assert not list(folder.parent.glob("demo-output"))

    by_hand(said, folder)


def by_hand(said: str, folder: Path) -> None:
    """Run what the demo tells to type: serve the store again, step twice with one key, and look."""
    (serve,) = re.findall(r"^  (\S*dev serve .*)$", said, re.MULTILINE)
    dev, *arguments = shlex.split(serve)
    assert (Path.cwd() / dev).resolve() == ROOT / "dev"
    assert arguments[:3] == ["serve", "--port", "8000"]
    log = folder / "again.log"
    with log.open("wb") as out:
        server = subprocess.Popen([GRADWIRE, "serve", "--port", "0", *arguments[3:]], stderr=out, env=environment())
    try:
        url = listening(server, log)
        lines = [
            line.replace("http://127.0.0.1:8000", url) for line in re.findall(r"^  (curl .*)$", said, re.MULTILINE)
        ]
        answers = [
            json.loads(subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=30).stdout)
            for line in lines
        ]
    finally:
        server.terminate()
        assert server.wait(30) == 0
    first, second, network, versions, parameters = answers
    assert first == second
    assert first["version"] == network["version"] == parameters["version"] == 30 * 144 + 1
    assert [version["version"] for version in versions["versions"]] == [4321, 4320, 4319]


def listening(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and (found := LISTENING.search(log.read_text())):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"nothing listens: {log.read_text() if log.exists() else ''}")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_when_it_is_stopped_it_leaves_no_server_behind(tmp_path: Path, number: signal.Signals, status: int) -> None:
    folder = tmp_path / "demo"
    demo = subprocess.Popen(
        [sys.executable, DEMO, "--output", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell lets what it runs in the background ignore it, and so would what that starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  which is one system call
    )
    try:
        url = listening(demo, folder / "server.log")
        time.sleep(0.5)
        demo.send_signal(number)
        assert demo.wait(60) == status
    finally:
        demo.kill()
        demo.communicate()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz", trust_env=False)


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, DEMO, "--output", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the demo starts in a new folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_one_broken_promise_is_enough() -> None:
    promises = Promises()
    assert not promises.all_held
    promises.hold("one", True)
    assert promises.all_held
    promises.hold("two", False)
    promises.hold("three", True)
    assert not promises.all_held
    assert "BROKEN  two" in str(promises)


def test_the_curve_is_drawn_where_the_values_are() -> None:
    lines = curve_text([0.5, 0.75, 1.0], StringIO()).splitlines()
    drawn = {
        float(line[2:7]): line.index("o") for line in lines if "o" in line[:30] and line[2:7].strip()[:1].isdigit()
    }
    assert drawn == {0.5: 10, 0.75: 12, 1.0: 14}


def test_the_digits_are_all_there() -> None:
    digits = Digits.read(DEMO.with_name("data") / "digits.npz")
    assert digits.train.inputs.shape == (1437, 64)
    assert digits.test.inputs.shape == (360, 64)
    assert digits.test.targets.shape == (360, 10)
    assert digits.train.inputs.min() == 0
    assert digits.train.inputs.max() == 1
    assert (digits.train.targets.sum(axis=1) == 1).all()
    batches = digits.batches(1)
    assert [len(batch.inputs) for batch in batches] == [10] * 143 + [7]
    assert sum(batch.inputs.sum() for batch in batches) == digits.train.inputs.sum()
