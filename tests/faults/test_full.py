"""A disk that is full until somebody makes room: writes are refused with 507 and change nothing, and reads go on.

Afterwards the same requests under the same keys are done, and all of it is there in the next life of the server. A store
that was killed opens on a full disk, too.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.storage.doctor import examine
from tests.contracts import stores
from tests.contracts.drawings import commit, receipt, same, state, step
from tests.end_to_end.running import Running
from tests.faults.disk import small
from tests.faults.machine import ROOT, needs_small_disk
from tests.faults.training import request, spec

pytestmark = [needs_small_disk, pytest.mark.slow]

MEGABYTES = 24
BALLAST = 8 * 2**20


@dataclass(frozen=True)
class Write:
    """A request under its key."""

    path: str
    body: dict[str, Any]
    key: str

    def send(self, client: httpx.Client) -> httpx.Response:
        return client.post(self.path, json=self.body, headers={"idempotency-key": self.key})


def until_full(client: httpx.Client, writes: Iterator[Write]) -> Write:
    """The first of these writes that finds no room."""
    for write in writes:
        answer = write.send(client)
        if answer.status_code == 507:
            return write
        assert answer.status_code in {200, 201}, answer.text
    raise AssertionError("there was always room")


def everything(client: httpx.Client) -> dict[str, bytes]:
    networks = client.get("/v1/networks", params={"limit": 500}).json()["networks"]
    paths = [f"/v1/networks/{one['id']}{part}" for one in networks for part in ("", "/parameters", "/versions")]
    answers = {path: client.get(path) for path in paths}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {path: answer.content for path, answer in answers.items()}


@pytest.mark.parametrize("units", [500, 3000], ids=["rows", "slots"])
def test_a_full_disk_refuses_writes_and_nothing_else(place: Path, units: int, full: bool) -> None:
    with small(place / "disk", MEGABYTES * (8 if full else 1)) as folder:
        server = Running(folder, log=place / "stderr.txt")
        try:
            refusals, networks = fill_and_go_on(server, folder / "ballast", units)
        finally:
            server.stop()
    print(f"{networks} networks, {refusals} writes refused")


def fill_and_go_on(server: Running, ballast: Path, units: int) -> tuple[int, int]:
    ballast.write_bytes(bytes(BALLAST))
    large = {"inputs": 200, "layers": [{"units": units, "activation": "tanh"}], "dtype": "float64"}
    with server.client() as client:
        path = client.post("/v1/networks", json=spec(0)).headers["location"]
        create = until_full(client, (Write("/v1/networks", large, f"network-{number}") for number in count()))
        refused = [create]
        if units == 500:  # steps of a small network need no slot, and go on beside a full one
            steps = (Write(f"{path}/sgd-step", request(number, 0), f"step-{number}") for number in count())
            refused.append(until_full(client, steps))
        before = everything(client)
        for _ in range(20):
            assert [write.send(client).status_code for write in refused] == [507] * len(refused)
            assert client.post(f"{path}/feedforward", json={"inputs": [[1, 2, 3]]}).status_code == 200
        assert everything(client) == before
        ballast.unlink()
        first = [write.send(client) for write in refused]
        assert {answer.status_code for answer in first} <= {200, 201}
        after = everything(client)
        assert len(after) == len(before) + 3
    server.kill()
    server.start()
    with server.client() as client:
        assert everything(client) == after
        assert [write.send(client).content for write in refused] == [answer.content for answer in first]
        assert everything(client) == after
    return 21 * len(refused), len(after) // 3


KILLED = """
import os, sys
from pathlib import Path
from service.storage import writer
from tests.contracts import stores
from tests.contracts.drawings import commit, create, take
writer._IDLE = 60.0
store = stores.inline(Path(sys.argv[1]))
for network, size in (("net_a", 20), ("net_b", 1000)):
    create(store, network, size=size)
    store.probe().result(30)
for version in range(1, 4):
    commit(store, "net_a", version, key=f"key-{version}", size=20)
    commit(store, "net_b", version, size=1000)
take(store, "net_a", 4)
os._exit(0)
"""


def fill(path: Path) -> None:
    """Take all the room that there is."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_start_without_room_has_what_was_acknowledged(place: Path) -> None:
    with small(place / "disk", MEGABYTES) as folder:
        subprocess.run([sys.executable, "-c", KILLED, str(folder / "data")], check=True, cwd=ROOT)
        ballast = folder / "ballast"
        fill(ballast)
        store = stores.inline(folder / "data")
        assert len(store._pending.entries) == 7, "there was no room for rows"
        assert (store.network("net_a").version, store.network("net_b").version) == (4, 3)
        assert same(store.trail("net_a").state, state(3, 20))
        assert [one.inputs.tolist() for one in store.trail("net_a").steps] == [step(4).inputs.tolist()]
        assert same(store.state("net_b"), state(3, 1000))
        assert store.receipt("net_a", "key-3") == receipt("net_a", "key-3", 3)
        # From here on the store may have made room: of its own.
        assert [one.version for one in store.versions("net_b", 9)] == [3, 2, 1, 0]
        assert all(same(store.state("net_b", version), state(version, 1000)) for version in range(4))
        ballast.unlink()
        for version in range(4, 9):
            commit(store, "net_b", version, size=1000)
        assert all(same(store.state("net_b", version), state(version, 1000)) for version in range(9))
        store.close()
        assert examine(folder / "data").faults == []
