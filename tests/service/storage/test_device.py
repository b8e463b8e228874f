"""A device that fails or is full: the process stops at once, or the write is refused and the store goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from service.errors import StorageFull
from service.storage.base import NetworkState
from tests.contracts import stores
from tests.contracts.drawings import commit, create, made, same, state
from tests.faults.disk import small
from tests.faults.machine import needs_small_disk
from tests.service.storage.strace import ROOT, needs_strace, run

STORES = ["inline", "slots"]
FAULTS = ["fdatasync:error=EIO", "fdatasync:error=ENOSPC", "pwrite64:error=EIO"]


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("when", [60, 61])
def test_a_failed_device_stops_the_process_and_loses_nothing(tmp_path: Path, name: str, fault: str, when: int) -> None:
    # The first calls of a run make the files; these fail in the middle of the steps, in the log or in a slot.
    call = when if "fdatasync" in fault else 20 * when
    done = run(
        tmp_path / "trace", [f"{fault}:when={call}+"], ["-m", "tests.contracts.writing", name, str(tmp_path / "data")]
    )
    network, *answered = done.stdout.split()
    assert done.returncode == 70, done.stderr
    assert done.stderr.startswith("gradwire: stopping: ")
    assert done.stderr.count("\n") == 1
    assert len(answered) > 5
    store = getattr(stores, name)(tmp_path / "data")
    current = store.network(network).version
    assert int(answered[-1]) <= current <= int(answered[-1]) + 1
    assert all(
        same(store.state(network, version), state(version)) for version in range(max(0, current - 50), current + 1)
    )
    store.close()


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("when", [200, 201, 202])
def test_a_write_that_finds_no_room_is_refused_and_the_next_is_not(tmp_path: Path, name: str, when: int) -> None:
    script = f"""
from pathlib import Path
from service.errors import StorageFull
from tests.contracts import stores
from tests.contracts.drawings import commit, create, same, state
store = stores.{name}(Path({str(tmp_path / "data")!r}))
network, refused, version = create(store), 0, 1
while version < 400:
    try:
        commit(store, network, version, key=f"key-{{version}}")
    except StorageFull:
        refused += 1
        assert store.network(network).version == version - 1
        assert same(store.state(network), state(version - 1))
        assert store.receipt(network, f"key-{{version}}") is None
    else:
        version += 1
store.close()
assert refused > 3
"""
    # The counts are a thread's own. Making room and trying again must not help, so that many calls in a row fail.
    done = run(tmp_path / "trace", [f"pwrite64:error=ENOSPC:when={when}..{when + 150}"], ["-c", script])
    assert done.returncode == 0, done.stderr


@needs_strace
def test_nothing_is_acknowledged_before_it_is_synced_and_nobody_waits_but_the_writer(tmp_path: Path) -> None:
    script = f"""
import threading, time
from pathlib import Path
from tests.contracts import stores
from tests.contracts.drawings import create, made, state
store = stores.inline(Path({str(tmp_path / "data")!r}))
network = create(store)
for version in range(1, 4):
    begun, ticks, slowest = time.monotonic(), 0, 0.0
    future = store.commit_version(network, version - 1, state(version), made(version))
    while not future.done():
        at = time.monotonic()
        before = store.network(network).version
        assert before <= store.state(network).parameters[0] / 1000 <= store.network(network).version
        slowest, ticks = max(slowest, time.monotonic() - at), ticks + 1
        time.sleep(0.002)
    print(time.monotonic() - begun, ticks, slowest)
store.close()
"""
    done = run(tmp_path / "trace", ["fdatasync:delay_enter=400000"], ["-c", script])
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        seconds, ticks, slowest = map(float, line.split())
        assert seconds >= 0.4, "answered before the sync"
        assert ticks > 20, "the interpreter's lock was held during the commit"
        assert slowest < 0.35, "a reader waited for the writer"


@needs_strace
def test_many_networks_share_a_sync(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from tests.contracts import stores
from tests.contracts.drawings import create, made, state
store = stores.inline(Path({str(tmp_path / "data")!r}))
networks = [create(store) for _ in range(10)]
print("created", flush=True)
for version in range(1, 11):
    futures = [store.commit_version(network, version - 1, state(version), made(version)) for network in networks]
    for future in futures:
        future.result()
"""
    done = run(tmp_path / "trace", ["fdatasync:delay_enter=20000"], ["-c", script])
    assert done.returncode == 0, done.stderr
    syncs = (tmp_path / "trace").read_text().count("fdatasync(")
    assert syncs <= 10 + 40, "100 writes of 10 networks took as many syncs as if each were alone"


@needs_strace
def test_a_slot_is_on_disk_before_its_row(tmp_path: Path) -> None:
    done = run(tmp_path / "trace", [], ["-m", "tests.contracts.writing", "slots", str(tmp_path / "data"), "3"])
    assert done.returncode == 0, done.stderr
    calls = [line.split(maxsplit=1)[1].split("(")[0] for line in (tmp_path / "trace").read_text().splitlines()]
    made_slots = [at for at, call in enumerate(calls) if call == "fallocate"]
    assert len(made_slots) == 4
    for at in made_slots:
        # The name in its folder, the bytes, the bytes' sync; only then the log, and the log's sync.
        assert calls[at + 1] == "fsync"
        following = [call for call in calls[at + 2 :] if call != "pwrite64"]
        assert following[:2] == ["fdatasync", "fdatasync"]
        assert calls[at + 2] == "pwrite64"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small(tmp_path / "disk", 6) as folder:
        yield folder


@needs_small_disk
@pytest.mark.parametrize("name", STORES)
def test_a_full_disk_refuses_writes_until_there_is_room(small_disk: Path, name: str) -> None:
    (small_disk / "ballast").write_bytes(bytes(3 * 2**20))
    store = getattr(stores, name)(small_disk / "data", keep_versions=2)
    networks = [create(store, size=20_000)]
    with pytest.raises(StorageFull):
        networks.extend(create(store, size=20_000) for _ in range(100))
    kept = [network for network in networks if same(store.state(network), state(0, 20_000))]
    assert kept == networks
    assert len(store.networks(200)[0]) == len(networks)
    (small_disk / "ballast").unlink()
    new = create(store, size=20_000)
    commit(store, new, 1, size=20_000)
    store.close()
    store = getattr(stores, name)(small_disk / "data")
    assert same(store.state(new), state(1, 20_000))
    store.close()


@needs_small_disk
def test_steps_go_on_on_a_disk_that_others_have_filled(small_disk: Path) -> None:
    store = stores.inline(small_disk / "data", keep_versions=2)
    network = create(store, size=5000)
    for version in range(1, 6):
        commit(store, network, version, size=5000)
    store.close()  # the log is copied back, so that the database has its size; three more steps give the log its own
    store = stores.inline(small_disk / "data", keep_versions=2)
    for version in range(6, 9):
        commit(store, network, version, size=5000)
    ballast = (small_disk / "ballast").open("wb", buffering=0)
    with ballast, pytest.raises(OSError, match="No space"):
        ballast.writelines(repeat(bytes(4096)))
    for version in range(9, 40):
        commit(store, network, version, size=5000)
    assert same(store.state(network), state(39, 5000))
    store.close()


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path) -> None:
    script = f"""
import resource, signal
from pathlib import Path
from service.errors import StorageFull
from tests.contracts import stores
from tests.contracts.drawings import commit, create, same, state
store = stores.inline(Path({str(tmp_path / "data")!r}))
network = create(store)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    commit(store, network, 1, size=100_000)
except StorageFull:
    print("full")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
commit(store, network, 1, size=100_000)
assert same(store.state(network), state(1, 100_000))
store.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, text=True, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "full\n"), done.stderr


@needs_strace
@pytest.mark.parametrize("name", STORES)
def test_a_store_that_has_stopped_takes_no_write(tmp_path: Path, name: str) -> None:
    """With a `fatal` that returns, so that there is somebody left to ask: nothing is written after a failed sync."""
    script = f"""
import os
from pathlib import Path
from service.errors import StorageUnavailable
from tests.contracts import stores
from tests.contracts.drawings import commit, create, made, same, state
reasons = []
store = stores.{name}(Path({str(tmp_path / "data")!r}), fatal=reasons.append)
network, version = create(store), 0
while not reasons:
    future = store.commit_version(network, version, state(version + 1), made(version + 1))
    error = future.exception(30)
    version += error is None
assert isinstance(error, StorageUnavailable), error
for write in (
    lambda: store.commit_version(network, version, state(version + 1), made(version + 1)),
    lambda: store.rename_network(network, "no", "now"),
    lambda: store.delete_network(network),
    store.probe,
):
    error = write().exception(30)
    assert isinstance(error, StorageUnavailable) and "has stopped" in str(error), error
assert len(reasons) == 1, reasons
assert store.network(network).version == version > 5
assert same(store.state(network), state(version))
print(version, flush=True)
os._exit(0)
"""
    # One sync fails and all that follow would succeed, as they do on a kernel that has dropped the pages.
    done = run(tmp_path / "trace", ["fdatasync:error=EIO:when=30"], ["-c", script])
    assert done.returncode == 0, done.stderr
    store = getattr(stores, name)(tmp_path / "data")
    (record,), _ = store.networks(9)
    assert record.version in {int(done.stdout), int(done.stdout) + 1}
    store.close()


def test_a_folder_that_is_missing_is_no_failed_device(tmp_path: Path) -> None:
    reasons: list[str] = []
    store = stores.slots(tmp_path, fatal=reasons.append)
    network = create(store)
    (tmp_path / "slots").rename(tmp_path / "elsewhere")
    future = store.commit_version(network, 0, NetworkState(np.zeros(3)), made(1))
    assert type(future.exception(30)).__name__ == "StorageUnavailable"
    assert not reasons
    (tmp_path / "elsewhere").rename(tmp_path / "slots")
    commit(store, network, 1)
    store.close()
