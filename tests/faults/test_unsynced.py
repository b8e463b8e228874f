"""Without sync a loss of power takes the last writes, and leaves a store that opens, is sound and goes on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.storage.doctor import examine
from tests.contracts import stores
from tests.contracts.drawings import same, state
from tests.faults.checking import Broken
from tests.faults.disk import disk
from tests.faults.machine import ROOT, needs_power_loss, needs_strace
from tests.faults.runs import runner
from tests.faults.script import KEEP_VERSIONS, SCRIPT, SIZES, Model, Player, Step, view
from tests.faults.test_calls import faults, lose_power

pytestmark = [needs_strace, needs_power_loss, pytest.mark.slow]

STORES = ["unsynced", "unsynced_slots"]


def moments(done: int) -> list[tuple[Step, ...]]:
    """What may have happened: the script up to any step, and of a step with several writes, some of them."""
    found = [SCRIPT[:count] for count in range(min(done + 1, len(SCRIPT)) + 1)]
    for count, (kind, network, *rest) in enumerate(SCRIPT[: done + 1]):
        if kind == "ahead":
            found += [(*SCRIPT[:count], (kind, network, part)) for part in range(1, rest[0])]
    return found


def check(store_name: str, folder: Path, done: int) -> int:
    """Raise `Broken` unless each network is as it was at some moment, and takes a step; how many there are."""
    models = list(map(Model, moments(done)))
    store = getattr(stores, store_name)(folder, keep_versions=KEEP_VERSIONS)
    there = 0
    try:
        for network in SIZES:
            found = view(store, network)
            model = next((model for model in models if model.view(network) == found), None)
            if model is None:
                raise Broken(f"{network} is {found}, as it never was")
            if found is not None:
                there += 1
                Player(store, model).play(("commit", network, None))
    finally:
        store.close()
    assert examine(folder).faults == []
    return there


@pytest.mark.parametrize("store", STORES)
def test_a_loss_of_power_leaves_the_store_as_it_was_before(place: Path, store: str, full: bool) -> None:
    rng, there, lost = random.Random(store), 0, 0
    with disk(place, 32) as drive, runner(store, place / "runner") as runs:
        folder = drive.mount / "data"
        for index, fault in enumerate(faults(runs, folder, "writer", "signal=SIGKILL", full)[:: 1 if full else 2]):
            for some in (False, True) if full else (True,):
                drive.format()
                run = runs.run(folder, "writer", fault, cached=(index + some) % 2 == 0)
                lose_power(drive, folder, rng if some else None)
                if not folder.exists() or not (folder / "gradwire.db").exists():
                    continue
                try:
                    there += check(store, folder, run.done)
                except Exception as error:
                    raise Broken(f"{fault}: {run}: {error}") from error
                lost += 1
    assert there > lost
    print(f"{store}: {lost} losses of power, {there} networks found again")


CHILD = """
import os, signal, sys
from pathlib import Path
from tests.contracts import stores
from tests.contracts.drawings import commit, create
folder = Path(sys.argv[2])
store = getattr(stores, sys.argv[1])(folder, keep_versions=3)
network = create(store, size=2000)
print(network, flush=True)
for version in range(1, 30):
    commit(store, network, version, size=2000)
    if version == int(sys.argv[3]):
        os.sync()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("store", STORES)
def test_what_the_kernel_has_written_back_in_between_is_whole(place: Path, store: str) -> None:
    """And is not gone because what came after it was written in its place."""
    with disk(place, 32) as drive:
        folder = drive.mount / "data"
        for synced in (1, 8, 20):
            drive.format()
            command = [sys.executable, "-c", CHILD, store, str(folder), str(synced)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == -signal.SIGKILL, done.stderr
            lose_power(drive, folder, None)
            opened = getattr(stores, store)(folder, keep_versions=3)
            try:
                network = done.stdout.strip()
                version = opened.network(network).version
                assert version >= synced
                assert same(opened.state(network), state(version, 2000))
            finally:
                opened.close()
            assert examine(folder).faults == []
