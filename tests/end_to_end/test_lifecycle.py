"""The command: what a start says, what stops one, and how signals end a server."""

from __future__ import annotations

import importlib.util
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.running import GRADWIRE, Running, environment
from tests.end_to_end.working import LONG_STEP

ROWS = 12_000
STEP = {"inputs": [[0.5]] * ROWS, "targets": [[0.0]] * ROWS, "optimizer": {"kind": "sgd", "learning_rate": 0.01}}
SLOW = {"inputs": 1, "layers": [{"units": 1000, "activation": "tanh"}] * 6 + [{"units": 1, "activation": "tanh"}]}
"""A network whose `STEP` takes some seconds: 5 million weights, 12000 examples."""


def _gradwire(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GRADWIRE, *arguments], capture_output=True, text=True, env=environment(**extra), timeout=60, check=False
    )


def _refusal(*flags: str, **extra: str) -> str:
    """The one line of a start that fails."""
    ended = _gradwire("serve", "--port", "0", *flags, **extra)
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert re.fullmatch(r"gradwire: [^\n]+\n", ended.stderr), ended.stderr
    return ended.stderr


def test_one_line_says_where_it_listens(launch: Callable[..., Running]) -> None:
    running = launch()
    running.client().get("/v1/networks/net_none")
    running.terminate()
    assert running.wait() == 0
    assert re.fullmatch(
        r"gradwire: listening on http://127\.0\.0\.1:\d+, backend numpy \(cpu, .+\), .*"
        + re.escape(str(running.data))
        + "\n",
        running.log.read_text(),
    )


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _refusal("--port", str(port), "--data", str(tmp_path / "data"))
    assert f"127.0.0.1:{port}" in said
    assert "in use" in said


def test_a_host_that_is_not_here(tmp_path: Path) -> None:
    assert "cannot listen" in _refusal("--host", "192.0.2.1", "--data", str(tmp_path / "data"))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in _refusal("--data", str(tmp_path / "file" / "data"))
    assert str(tmp_path / "file") in _refusal("--data", str(tmp_path / "file"))
    assert "cannot" in _refusal("--data", "/proc/gradwire")


def test_a_folder_of_another_process(launch: Callable[..., Running]) -> None:
    running = launch()
    said = _refusal("--data", str(running.data))
    assert str(running.process.pid) in said
    assert running.client().get("/readyz").status_code == 200


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed here")
def test_cupy_that_is_not_there(tmp_path: Path) -> None:
    assert "cupy" in _refusal("--backend", "cupy", "--data", str(tmp_path / "data"))
    assert "cupy" in _refusal("--data", str(tmp_path / "data"), GRADWIRE_BACKEND="cupy")
    assert not (tmp_path / "data").exists()


def test_wrong_settings(tmp_path: Path) -> None:
    assert "--port" in _refusal("--port", "99999")
    assert "--max-batch-rows" in _refusal("--max-batch-rows", "0")
    assert "--keep-versions (GRADWIRE_KEEP_VERSIONS)" in _refusal(GRADWIRE_KEEP_VERSIONS="many")
    assert _gradwire("serve", "--nonsense").returncode == 2
    assert _gradwire().returncode == 2
    assert _gradwire("--version").stdout.startswith("gradwire ")


def test_a_flag_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tests.end_to_end.running.environment",
        lambda: environment(GRADWIRE_MAX_LAYERS="7", GRADWIRE_MAX_UNITS="70", GRADWIRE_ACCESS_LOG="true"),
    )
    running = Running(tmp_path, "--max-layers", "8")
    try:
        limits = running.client().get("/v1/info").json()["limits"]
        assert (limits["max_layers"], limits["max_units"]) == (8, 70)
        running.terminate()
        assert running.wait() == 0
        assert '"GET /v1/info HTTP/1.1" 200' in running.log.read_text()
    finally:
        running.stop()


class Step:
    """A slow step that is running: its answer, or what came in its place."""

    def __init__(self, running: Running, step: dict[str, Any] = STEP) -> None:
        self.client = running.client()
        self.path = self.client.post("/v1/networks", json=SLOW).headers["location"]
        self.answer: httpx.Response | httpx.TransportError | None = None
        self._thread = threading.Thread(target=self._ask, args=(step,))
        self._thread.start()
        watcher = running.client()
        # The question is a running request itself.
        while "gradwire_requests_running 2.0" not in watcher.get("/metrics").text:
            assert self.answer is None
            time.sleep(0.01)
        time.sleep(0.05)  # for its body

    def _ask(self, step: dict[str, Any]) -> None:
        try:
            self.answer = self.client.post(f"{self.path}/sgd-step", json=step)
        except httpx.TransportError as error:
            self.answer = error

    def end(self) -> httpx.Response | httpx.TransportError | None:
        self._thread.join(60)
        return self.answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_is_running(launch: Callable[..., Running], number: signal.Signals) -> None:
    running = launch()
    idle = running.client()
    assert idle.get("/healthz").status_code == 200
    step = Step(running)
    running.process.send_signal(number)
    answer = step.end()
    assert isinstance(answer, httpx.Response)
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert running.wait() == 0
    assert "Traceback" not in running.log.read_text()
    running.start()
    assert running.client().get(step.path).json()["version"] == 1


def test_a_second_signal_leaves_at_once(launch: Callable[..., Running]) -> None:
    running = launch()
    step = Step(running, LONG_STEP)
    running.terminate()
    time.sleep(0.1)
    assert running.process.poll() is None
    begun = time.monotonic()
    running.terminate()
    assert running.wait() == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 5  # the step takes longer
    assert isinstance(step.end(), httpx.TransportError)
    running.start()
    assert running.client().get(step.path).json()["version"] == 0


def test_a_request_that_never_ends_does_not_hold_the_end_up(launch: Callable[..., Running]) -> None:
    running = launch("--shutdown-seconds", "0.5")
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/networks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
        )
        time.sleep(0.2)
        running.terminate()
        assert running.wait() == 0
