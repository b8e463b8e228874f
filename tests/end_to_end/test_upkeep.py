"""`gradwire doctor`, `backup` and `restore` as commands, beside a server that is being written to."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.conftest import XOR
from tests.end_to_end.running import GRADWIRE, PATIENCE, Running, environment

LARGE = {"inputs": 1000, "layers": [{"units": 1200, "activation": "tanh"}], "seed": 1}
"""1.2 million parameters: 4.8 MB, which go into slot files."""
STEP = {"inputs": [[0.5] * 1000], "targets": [[0.25] * 1200], "optimizer": {"kind": "sgd", "learning_rate": 0.1}}


def gradwire(*arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GRADWIRE, *arguments], capture_output=True, text=True, env=environment(**extra), timeout=PATIENCE, check=False
    )


class Training(threading.Thread):
    """A client that steps a network until it is told to stop; `answered` is the last version that it was told."""

    def __init__(self, client: httpx.Client, path: str) -> None:
        super().__init__()
        self.answered = 0
        self.ended = threading.Event()
        self._client, self._path = client, path

    def run(self) -> None:
        while not self.ended.is_set():
            self.answered = self._client.post(f"{self._path}/sgd-step", json=STEP).json()["version"]


@pytest.mark.slow
def test_a_backup_while_serving_is_a_store_of_one_moment(launch: Callable[..., Running], tmp_path: Path) -> None:
    running = launch("--keep-versions", "2")
    client = running.client()
    path = client.post("/v1/networks", json=LARGE).headers["location"]
    client.post(f"{path}/checkpoints", json={"name": "start"})
    training = Training(client, path)
    training.start()
    try:
        moments = []
        for number in range(3):
            before = training.answered
            done = gradwire("backup", tmp_path / f"copy-{number}", "--data", running.data)
            assert done.returncode == 0, done.stderr
            assert "is sound: 1 networks" in done.stdout
            moments.append((before, training.answered))
    finally:
        training.ended.set()
        training.join()
    assert training.answered > 8
    wanted = client.get(f"{path}/parameters?version=0").content
    for number, (before, after) in enumerate(moments):
        restored = tmp_path / f"own-{number}" / "data"
        done = gradwire("restore", tmp_path / f"copy-{number}", "--data", restored)
        assert done.returncode == 0, done.stderr
        assert gradwire("doctor", "--data", restored).returncode == 0
        again = launch("--keep-versions", "2", folder=f"own-{number}")
        other = again.client()
        version = other.get(path).json()["version"]
        assert before <= version <= after + 1
        assert other.get(f"{path}/parameters?version=0").content == wanted
        assert other.get(f"{path}/checkpoints").json()["checkpoints"][0]["name"] == "start"
        assert other.post(f"{path}/sgd-step", json=STEP).json()["version"] == version + 1
        if version + 1 <= training.answered:
            query = f"{path}/versions?limit=1&after={version + 2}"
            first, second = (source.get(query).json()["versions"][0] for source in (client, other))
            assert (first["version"], first["cost"]) == (version + 1, second["cost"]), "it goes on as the first one did"
        again.terminate()
        assert again.wait() == 0
    running.terminate()
    assert running.wait() == 0
    assert gradwire("doctor", "--data", running.data).returncode == 0


def test_the_doctor_says_what_is_wrong_in_plain_words(launch: Callable[..., Running]) -> None:
    running = launch()
    client = running.client()
    network = client.post("/v1/networks", json=LARGE).json()["id"]
    busy = gradwire("doctor", "--data", running.data)
    assert (busy.returncode, busy.stdout) == (2, "")
    assert busy.stderr == f"gradwire: {running.data} is in use by process {running.process.pid}\n"
    running.terminate()
    running.wait()
    sound = gradwire("doctor", GRADWIRE_DATA=str(running.data))
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout.splitlines()[-1].startswith(f"{running.data} is sound: 1 networks, 1 digests")
    slot = running.data / "slots" / "00000001.slot"
    data = bytearray(slot.read_bytes())
    data[1_000_000] ^= 1
    slot.write_bytes(bytes(data))
    damaged = gradwire("doctor", "--data", running.data)
    assert damaged.returncode == 1
    assert f"damage: the stored numbers of version 0 of network {network} are not the ones" in damaged.stdout
    assert "1 faults" in damaged.stdout
    assert slot.read_bytes() == bytes(data), "nothing is repaired"
    refused = gradwire("backup", running.data.parent / "copy", "--data", running.data)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert network in refused.stderr
    running.start()  # the others would be served, and this network says what it is
    answer = running.client().get(f"/v1/networks/{network}/parameters")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/corrupt-state")


def test_a_damaged_database_stops_the_start_with_one_line(launch: Callable[..., Running]) -> None:
    running = launch()
    client = running.client()
    path = client.post("/v1/networks", json=XOR).headers["location"]
    step = {"inputs": [[0, 1]], "targets": [[1]], "optimizer": {"kind": "sgd"}}
    for _ in range(20):
        assert client.post(f"{path}/sgd-step", json=step).status_code == 200
    running.kill()
    log = running.data / "gradwire.db-wal"
    was = log.read_bytes()
    log.write_bytes(was[: len(was) // 2] + bytes([was[len(was) // 2] ^ 1]) + was[len(was) // 2 + 1 :])
    refused = gradwire("serve", "--port", "0", "--data", running.data)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "the write-ahead log is damaged" in refused.stderr
    assert "acknowledged writes after it are lost" in refused.stderr
    found = gradwire("doctor", "--data", running.data)
    assert found.returncode == 1
    assert "damage: the write-ahead log is damaged" in found.stdout
    log.write_bytes(was)
    running.start()
    assert running.client().get(path).json()["version"] == 20


def test_what_cannot_be_done(launch: Callable[..., Running], tmp_path: Path) -> None:
    running = launch()
    running.terminate()
    running.wait()
    for arguments, said in (
        (("doctor", "--data", tmp_path / "none"), "there is no store"),
        (("backup", tmp_path / "copy", "--data", tmp_path / "none"), "there is no store"),
        (("backup", running.data, "--data", running.data), "not an empty folder"),
        (("restore", tmp_path / "none", "--data", tmp_path / "new"), "there is no store"),
        (("restore", running.data, "--data", running.data), "not an empty folder"),
    ):
        done = gradwire(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert gradwire("backup").returncode == 2
    assert not (tmp_path / "new").exists()
