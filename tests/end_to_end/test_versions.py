"""The life of versions over HTTP, whole: listed, named, restored, forked, given up; in both media types and both modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.end_to_end import tensors
from tests.end_to_end.replaying import KINDS, SMALL, parameters, step, take
from tests.end_to_end.running import Running
from tests.end_to_end.test_checkpoints import problem

JSON = "application/json"
KEPT, EVERY = 4, 5


class Speaker:
    """A client that speaks one media type, both ways."""

    def __init__(self, client: httpx.Client, media: str) -> None:
        self.client, self.media = client, media

    def send(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        if body is None:
            return self.client.request(method, path, headers={"accept": self.media, **headers})
        content = {"json": body} if self.media == JSON else {"content": tensors.encode(body)}
        return self.client.request(method, path, headers={"content-type": self.media, **headers}, **content)

    def told(self, answer: httpx.Response, status: int = 200) -> dict[str, Any]:
        """What is said besides arrays."""
        assert (answer.status_code, answer.headers["content-type"]) == (status, self.media), answer.text
        return answer.json() if self.media == JSON else tensors.decode(answer.content)[1]

    def versions(self, path: str, query: str = "") -> list[dict[str, Any]]:
        listed = self.told(self.send("GET", f"{path}/versions{query}"))
        found: list[dict[str, Any]] = listed["versions"]
        if not query:
            assert listed["stored_bytes"] == sum(entry["stored_bytes"] for entry in found)
        return found


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("keeping"), "--keep-versions", str(KEPT), "--replay-steps", str(EVERY))
    yield running
    running.stop()


@pytest.mark.parametrize("durability", ["full", "replay"])
@pytest.mark.parametrize("media", [JSON, tensors.MEDIA])
def test_the_life_of_versions(keeping: Running, media: str, durability: str) -> None:
    speak = Speaker(keeping.client(), media)
    client = speak.client
    bodies = [step(SMALL, 4, number, KINDS[1]) for number in range(30)]
    path = speak.send("POST", "/v1/networks", {**SMALL, "durability": durability}).headers["location"]
    identity = path.rsplit("/", 1)[1]
    bits = [parameters(client, path)]
    for number in range(6):
        take(client, path, bodies[number])
        bits.append(parameters(client, path))

    # Listed, newest first, with what made each one; those beyond the bound are gone.
    listed = speak.versions(path)
    assert [entry["version"] for entry in listed] == [6, 5, 4, 3, 2, 1, 0]
    assert [entry["made_by"] for entry in listed] == ["sgd-step"] * 6 + ["create"]
    assert [entry["retained"] for entry in listed] == [True] * KEPT + [False] * 3
    assert all("cost" in entry and "gradient_norm" in entry for entry in listed[:-1])
    assert speak.versions(path, "?limit=2&after=5") == listed[2:4]
    for version in range(7):
        if version < 7 - KEPT:
            assert problem(speak.send("GET", f"{path}/parameters?version={version}")) == (410, "gone")
        else:
            assert parameters(client, path, version) == bits[version]
    assert problem(speak.send("GET", f"{path}/parameters?version=7")) == (404, "not-found")

    # Named: the current one and an older one; what is gone gets no name.
    made = speak.told(speak.send("POST", f"{path}/checkpoints", {"name": "six"}), 201)
    older = speak.told(speak.send("POST", f"{path}/checkpoints", {"name": "four", "version": 4}), 201)
    assert (made["version"], older["version"]) == (6, 4)
    assert speak.told(speak.send("GET", f"{path}/checkpoints")) == {"checkpoints": [made, older]}
    assert speak.told(speak.send("GET", f"{path}/checkpoints/four")) == older
    assert problem(speak.send("POST", f"{path}/checkpoints", {"name": "two", "version": 2})) == (410, "gone")
    assert problem(speak.send("POST", f"{path}/checkpoints", {"name": "six"})) == (409, "already-exists")
    for number in range(6, 18):
        take(client, path, bodies[number])
    assert [entry["version"] for entry in speak.versions(path) if entry["retained"]] == [18, 17, 16, 15, 6, 4]
    for version in (4, 6):
        assert parameters(client, path, version) == bits[version]

    # Restored: a new version with the old numbers, and what the optimizer remembered.
    restored = speak.send("POST", f"{path}/restore", {"checkpoint": "four"}, **{"if-match": '"18"'})
    assert speak.told(restored) == {"version": 19, "source": {"checkpoint": "four", "version": 4}}
    assert restored.headers["etag"] == '"19"'
    assert parameters(client, path) == bits[4]
    take(client, path, bodies[4])
    assert parameters(client, path) == bits[5], "Adam went on from where it was"
    newest = speak.versions(path, "?limit=2")[1]
    assert (newest["made_by"], newest["source"]) == ("restore", {"checkpoint": "four", "version": 4})

    # Forked: from a name's version, from the current one; never from one that is gone.
    for version, wanted in ((6, 6), (None, 5)):
        source = {"network": identity} if version is None else {"network": identity, "version": version}
        answer = speak.send("POST", "/v1/networks", {"from": source, "name": "fork"})
        fork = speak.told(answer, 201)
        assert (fork["version"], fork["durability"]) == (0, durability)
        place = answer.headers["location"]
        assert parameters(client, place) == bits[wanted]
        take(client, place, bodies[wanted])
        if version is None:
            assert parameters(client, place) == bits[6]
        first = speak.versions(place)[1]
        assert (first["made_by"], first["source"]["network"]) == ("fork", identity)
    gone = {"from": {"network": identity, "version": 5}}
    assert problem(speak.send("POST", "/v1/networks", gone)) == (410, "gone")

    # A name taken away: its version goes too.
    assert speak.send("DELETE", f"{path}/checkpoints/four").status_code == 204
    assert problem(speak.send("GET", f"{path}/checkpoints/four")) == (404, "not-found")
    assert problem(speak.send("POST", f"{path}/restore", {"checkpoint": "four"})) == (404, "not-found")
    assert problem(speak.send("GET", f"{path}/parameters?version=4")) == (410, "gone")


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "replay"])
@pytest.mark.parametrize(("units", "steps"), [(40, 200), (60_000, 80)])
def test_disk_use_is_bounded_and_shown(launch: Callable[..., Running], durability: str, units: int, steps: int) -> None:
    """Of a network whose versions take a page, and of one of which two take more than the bound for bytes."""
    running = launch("--keep-versions", "8", "--replay-steps", "6", "--keep-bytes", "1000000")
    spec = {**SMALL, "layers": [{"units": units, "activation": "tanh"}, {"units": 2, "activation": "sigmoid"}]}
    with running.client() as client:
        path = client.post("/v1/networks", json={**spec, "durability": durability}).headers["location"]
        kept, used = [], []
        for number in range(steps):
            take(client, path, step(spec, 4, number, KINDS[0]))
            kept.append(client.get(f"{path}/versions?limit=1").json()["stored_bytes"])
            used.append(store_bytes(client))
        entries = client.get(f"{path}/versions?limit=500").json()["versions"]
        whole = max(entry["stored_bytes"] for entry in entries)
        # Full: 8 versions, or 2. Replay: a version that is kept whole goes with the last step that needs it.
        assert max(kept) <= (8 + 6) * whole if units < 1000 else max(kept) <= 4 * whole
        assert sum(bool(entry["stored_bytes"]) for entry in entries) <= 8 + 2 * 6
        assert used[-1] <= 6 * whole + 80 * 2**20, "files, the log and spare slots among them"
        assert client.get("/v1/info").json()["retention"]["keep_bytes"] == 1_000_000


def store_bytes(client: httpx.Client) -> int:
    lines = client.get("/metrics").text.splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("gradwire_store_bytes "))))
