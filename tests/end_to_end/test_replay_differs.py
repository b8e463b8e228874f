"""What a record says is checked, and what it gives: damage and other numerics are named, and nothing of them is served."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace

import pytest

from service.storage.steps import decode_step, encode_step
from tests.end_to_end import tensors
from tests.end_to_end.replaying import KINDS, LARGE, REPLAY, SMALL, WIDE, crashed, create, parameters, step, take
from tests.end_to_end.running import Running
from tests.end_to_end.test_checkpoints import problem
from tests.end_to_end.test_upkeep import gradwire
from tests.service.storage.test_doctor import edited


def refused(running: Running, path: str, versions: range, slug: str) -> None:
    """No version of these is served in any way, nor stepped from; the server goes on."""
    running.start()
    with running.client() as client:
        other = create(client, SMALL, **REPLAY)
        for _ in range(2):
            for version in versions:
                assert problem(client.get(f"{path}/parameters?version={version}")) == (500, slug)
            assert problem(client.get(f"{path}/parameters")) == (500, slug)
            body = step(SMALL, 8, 99, KINDS[0])
            stepped = client.post(f"{path}/sgd-step", content=body, headers={"content-type": tensors.MEDIA})
            assert problem(stepped) == (500, slug)
            source = {"network": path.rsplit("/", 1)[1], "version": versions[-1]}
            assert problem(client.post("/v1/networks", json={"from": source})) == (500, slug)
            assert problem(client.post(f"{path}/checkpoints", json={"name": "x", "version": versions[-1]})) == (
                500,
                slug,
            )
        assert take(client, other, body).headers["etag"] == '"1"'


def test_a_flipped_bit_of_a_record_is_found_and_named(launch: Callable[..., Running]) -> None:
    running, path = crashed(launch, WIDE, 3, rows=500)
    slots = sorted((running.data / "slots").iterdir())
    damaged = next(slot for slot in slots[1:] if slot.read_bytes()[:15] == b"gradwire step  ")
    data = bytearray(damaged.read_bytes())
    data[5_000_000] ^= 4
    damaged.write_bytes(data)
    done = gradwire("doctor", "--data", running.data)
    assert (done.returncode, done.stdout.count("damage: ")) == (1, 1)
    assert f"of network {path.rsplit('/', 1)[1]}" in done.stdout
    refused(running, path, range(3, 4), "corrupt-state")


@pytest.mark.parametrize("what", ["digest", "numerics", "options"])
def test_a_doctored_record_is_refused(launch: Callable[..., Running], what: str) -> None:
    """The digest of a record covers all of it: what made it, what computed it, and what came out."""
    running, path = crashed(launch, SMALL, 5)
    with edited(running.data) as database:
        query = "SELECT content, bytes FROM snapshots JOIN contents ON id = content WHERE recorded AND version = 3"
        content, data = database.execute(query).fetchone()
        old = {"digest": b'"made":"', "numerics": b'"numpy":"', "options": b'"learning_rate":'}[what]
        place = data.index(old) + len(old)
        changed = data[:place] + (b"1" if data[place : place + 1] != b"1" else b"2") + data[place + 1 :]
        database.execute("UPDATE contents SET bytes = ? WHERE id = ?", (changed, content))
    done = gradwire("doctor", "--data", running.data)
    assert done.returncode == 1
    assert "version 3 of network" in done.stdout
    refused(running, path, range(3, 6), "corrupt-state")


def test_a_step_that_gives_something_else_is_flagged_and_not_served(launch: Callable[..., Running]) -> None:
    """A record that is whole and says that something else came out, as if the computation had changed."""
    running, path = crashed(launch, SMALL, 5)
    network = path.rsplit("/", 1)[1]
    with edited(running.data) as database:
        query = (
            "SELECT content, bytes, digest FROM snapshots JOIN contents ON id = content WHERE recorded AND version = 4"
        )
        content, data, digest = database.execute(query).fetchone()
        kept = decode_step(data, digest, network, 4)
        doctored = replace(kept, digest=bytes(16), numerics={**kept.numerics, "numpy": "1.0"})
        encoded = encode_step(doctored, network, 4)
        database.execute("UPDATE contents SET bytes = ? WHERE id = ?", (encoded.joined(), content))
        database.execute("UPDATE snapshots SET digest = ? WHERE content = ?", (encoded.digest, content))
    cheap, full = (gradwire("doctor", *flag, "--data", running.data) for flag in ((), ("--replay",)))
    assert cheap.returncode == 0
    assert "note: steps were computed by numpy '1.0' (here " in cheap.stdout
    assert full.returncode == 1
    assert f"damage: The step to version 4 of network {network}, computed again, does not give" in full.stdout
    refused(running, path, range(4, 6), "replay-differs")
    with running.client() as client:
        document = client.get(f"{path}/parameters").json()
        assert (document["version"], document["whole"]) == (4, 0)
        assert document["numerics"] == {"numpy": {"then": "1.0", "now": kept.numerics["numpy"]}}
        good = parameters(client, path, 3)
        # The way on that the problem's page names.
        assert client.post(f"{path}/checkpoints", json={"name": "last good", "version": 3}).status_code == 201
        restored = client.post(f"{path}/restore", json={"checkpoint": "last good"}, headers={"if-match": '"5"'})
        assert (restored.status_code, restored.json()["version"]) == (200, 6)
        assert parameters(client, path) == good
        assert take(client, path, step(SMALL, 8, 7, KINDS[0])).headers["etag"] == '"7"'
    assert running.log.read_text().count("ERROR gradwire.replay") == 1


def other_kernels() -> str:
    """OpenBLAS kernels that this processor can run and does not by itself."""
    return "Sandybridge" if platform.machine() == "x86_64" else "ARMV8"


def test_other_kernels_are_told_from_the_ones_that_answered(
    launch: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running, path = crashed(launch, LARGE, 4, "--replay-steps", "3", rows=32)
    monkeypatch.setenv("OPENBLAS_CORETYPE", other_kernels())
    refused(running, path, range(4, 5), "replay-differs")
    with running.client() as client:
        assert {"numpy_blas", "scipy_blas"} <= client.get(f"{path}/parameters").json()["numerics"].keys()
    running.kill()
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    running.start()
    with running.client() as client:
        numbers = parameters(client, path)
    running.terminate()
    assert running.wait() == 0
    monkeypatch.setenv("OPENBLAS_CORETYPE", other_kernels())
    running.start()  # an ordered stop has kept the version whole, and any machine can go on
    with running.client() as client:
        assert parameters(client, path) == numbers
        assert take(client, path, step(LARGE, 32, 5, KINDS[0])).headers["etag"] == '"5"'
