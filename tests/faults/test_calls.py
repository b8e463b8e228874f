"""A fault at every system call that storage is made of: killed before it, killed and without power, failed, no room.

Each run plays the script on an empty folder; afterwards all that was acknowledged is there, at most the step under way
besides, every number to the bit, and the store goes on. CI takes one write of eight and all other calls (one of two
where the power is lost); `--full` all.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.checking import Broken, check_and_finish
from tests.faults.disk import Disk, disk
from tests.faults.machine import needs_power_loss, needs_strace
from tests.faults.runs import Fault, Run, Runner, runner
from tests.faults.script import SCRIPT, SIZES

pytestmark = [needs_strace, pytest.mark.slow]

EVERY = [
    ("inline", "main"),
    ("inline", "writer"),
    ("slots", "main"),
    ("slots", "writer"),
    ("slots", "slots"),
    ("replay", "writer"),
    ("replay", "slots"),
]
"""Each store, and its threads that make storage calls."""
WRITING = [case for case in EVERY if case[1] != "main"]
STOPPED = 70
MOST = 0.5
"""Of the calls of a whole run, that come in another one too: what shares a commit is up to the scheduler."""

Point = Callable[[int, Fault], None]


@pytest.fixture
def runs(request: pytest.FixtureRequest, place: Path) -> Iterator[Runner]:
    with runner(request.getfixturevalue("store"), place / "runner") as made:
        yield made


def calls(run: Run, thread: str, action: str, full: bool) -> Iterator[Fault]:
    """A fault at each call of a run that nothing happened to."""
    assert run.calls, f"{thread} made no call"
    for call, count in run.calls.items():
        stride = 1 if full or call != "pwrite64" else 8
        for nth in sorted({*range(1, count + 1, stride), count}):
            yield Fault(thread, call, nth, action)


def faults(runs: Runner, folder: Path, thread: str, action: str, full: bool) -> list[Fault]:
    whole = runs.run(folder, thread)
    assert whole.closed, whole
    shutil.rmtree(folder)
    return list(calls(whole, thread, action, full))


def checked(store: str, folder: Path, fault: Fault, run: Run) -> None:
    try:
        check_and_finish(store, folder, run)
    except Exception as error:
        raise Broken(f"{fault}: {run}: {error}") from error


@pytest.mark.parametrize(("store", "thread"), [*EVERY, ("unsynced", "writer")])
def test_killed_before_any_call(runs: Runner, place: Path, store: str, thread: str, full: bool) -> None:
    folder, killed = place / "data", 0
    every = faults(runs, folder, thread, "signal=SIGKILL", full)
    for fault in every:
        run = runs.run(folder, thread, fault)
        assert run.status == -9 or run.closed, run
        killed += run.status == -9
        checked(store, folder, fault, run)
        shutil.rmtree(folder)
    assert killed >= MOST * len(every)
    print(f"{store}, {thread}: {killed} kills")


@needs_power_loss
@pytest.mark.parametrize(("store", "thread"), EVERY)
def test_killed_and_without_power_before_any_call(
    runs: Runner, place: Path, store: str, thread: str, full: bool
) -> None:
    rng, lost = random.Random(thread), 0
    with disk(place, 32) as drive:
        folder = drive.mount / "data"
        for index, fault in enumerate(faults(runs, folder, thread, "signal=SIGKILL", full)[:: 1 if full else 2]):
            for some in (False, True) if full else (rng.random() < 0.5,):
                drive.format()
                run = runs.run(folder, thread, fault, cached=(index + some) % 2 == 0)
                lose_power(drive, folder, rng if some else None)
                checked(store, folder, fault, run)
                lost += 1
    print(f"{store}, {thread}: {lost} losses of power")


def lose_power(drive: Disk, folder: Path, rng: random.Random | None) -> None:
    if rng is not None:
        drive.write_some_back(folder, rng)
    drive.lose_power()
    drive.restart()


@needs_power_loss
@pytest.mark.parametrize(("store", "thread"), [case for case in EVERY if case[1] == "writer"])
def test_what_the_next_process_shows_is_on_disk(runs: Runner, place: Path, store: str, thread: str, full: bool) -> None:
    shown = 0
    with disk(place, 32) as drive:
        folder = drive.mount / "data"
        for index, fault in enumerate(faults(runs, folder, thread, "signal=SIGKILL", full)):
            if fault.call != "fdatasync" and not full:
                continue
            drive.format()
            killed = runs.run(folder, thread, fault, cached=index % 2 == 0)
            before = runs.run(folder, script="look").saw
            lose_power(drive, folder, None)
            assert runs.run(folder, script="look").saw == before, f"{fault}: {killed}"
            checked(store, folder, fault, killed)
            shown += len(before) == len(SIZES)
    assert shown > 5
    print(f"{store}, {thread}: {shown} looks")


@pytest.mark.parametrize(("store", "thread"), WRITING)
def test_an_error_of_the_device_stops_the_process(
    runs: Runner, place: Path, store: str, thread: str, full: bool
) -> None:
    folder, reached = place / "data", 0
    every = faults(runs, folder, thread, "error=EIO", full)
    for fault in every:
        run = runs.run(folder, thread, fault)
        reached += run.is_reached
        if run.is_reached:
            assert run.status == STOPPED, f"{fault}: {run}"
            assert run.stderr.startswith("gradwire: stopping: ")
            assert run.stderr.count("\n") == 1
        else:
            assert run.closed, f"{fault}: {run}"
        checked(store, folder, fault, run)
        shutil.rmtree(folder)
    assert reached >= MOST * len(every)
    print(f"{store}, {thread}: {reached} errors")


@pytest.mark.parametrize(("store", "thread"), WRITING)
def test_no_room_refuses_the_write_and_the_next_is_taken(
    runs: Runner, place: Path, store: str, thread: str, full: bool
) -> None:
    folder, refusing, stopped = place / "data", 0, 0
    every = faults(runs, folder, thread, "error=ENOSPC", full)
    for fault in every:
        # For a while: the store makes room and tries again before it refuses.
        run = runs.run(folder, thread, replace(fault, last=fault.nth + 12))
        if fault.call in {"fsync", "fdatasync"} and run.is_reached:
            assert run.status == STOPPED, f"{fault}: {run}"  # a failed sync is no full disk, whatever its errno says
            stopped += 1
        else:
            assert run.closed, f"{fault}: {run}"
            refusing += run.refused > 0
        checked(store, folder, fault, run)
        shutil.rmtree(folder)
    syncs = sum(fault.call in {"fsync", "fdatasync"} for fault in every)
    assert refusing > 0.4 * (len(every) - syncs)
    assert stopped >= MOST * syncs - 1
    print(
        f"{store}, {thread}: {refusing} runs of {len(every) - syncs} were refused writes, {stopped} of {syncs} stopped"
    )


@pytest.mark.parametrize(("store", "thread"), [case for case in EVERY if case[1] == "writer"])
def test_killed_some_steps_after_there_was_no_room(
    runs: Runner, place: Path, store: str, thread: str, full: bool
) -> None:
    folder, killed = place / "data", 0
    every = faults(runs, folder, thread, "error=ENOSPC", full)
    for fault in every:
        if fault.call in {"fsync", "fdatasync"}:
            continue
        for steps in range(1, len(SCRIPT)) if full else (1 + (7 * fault.nth) % (len(SCRIPT) - 1),):
            run = runs.run(folder, thread, replace(fault, last=fault.nth + 12), script=str(steps))
            assert run.status == -9, f"{fault}: {run}"
            assert run.done == steps
            checked(store, folder, fault, run)
            shutil.rmtree(folder)
            killed += 1
    print(f"{store}, {thread}: {killed} kills")


@pytest.mark.parametrize("action", ["signal=SIGKILL", "error=EIO", "error=ENOSPC"])
@pytest.mark.parametrize(("store", "thread"), [("inline", "main"), ("slots", "main")])
def test_a_fault_while_a_store_opens_or_closes_loses_nothing(
    runs: Runner, place: Path, store: str, thread: str, action: str, full: bool
) -> None:
    left, folder = place / "left", place / "data"
    crashed = runs.run(left, "writer", Fault("writer", "fdatasync", 10, "signal=SIGKILL"))
    assert crashed.status == -9
    shutil.copytree(left, folder)
    whole = runs.run(folder, thread, script="reopen")
    assert whole.closed
    for fault in calls(whole, thread, action, full):
        shutil.rmtree(folder)
        shutil.copytree(left, folder)
        run = runs.run(folder, thread, fault, script="reopen")
        assert run.closed or run.unopened or run.status == -9, f"{fault}: {run}"
        checked(store, folder, fault, replace(run, done=crashed.done))


@needs_power_loss
@pytest.mark.parametrize(("store", "thread"), [("inline", "main"), ("slots", "main")])
def test_killed_twice_and_then_without_power_loses_nothing(
    runs: Runner, place: Path, store: str, thread: str, full: bool
) -> None:
    """The second time while a store opens, or closes, on what the first has left in memory alone."""
    first = Fault("writer", "fdatasync", 10, "signal=SIGKILL")
    with disk(place, 32) as drive:
        folder = drive.mount / "data"
        runs.run(folder, "writer", first)
        every = list(calls(runs.run(folder, thread, script="reopen"), thread, "signal=SIGKILL", full))
        for index, fault in enumerate(every if full else every[::5]):
            drive.format()
            crashed = runs.run(folder, "writer", first, cached=index % 2 == 0)
            assert crashed.status == -9
            run = runs.run(folder, thread, fault, script="reopen", cached=index % 2 == 0)
            lose_power(drive, folder, None)
            checked(store, folder, fault, replace(run, done=crashed.done))
    print(f"{store}, {thread}: {len(every if full else every[::5])} kills after a kill")
