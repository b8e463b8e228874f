"""What must hold of a store after a fault: all that was acknowledged, at most one step more, and it goes on."""

from __future__ import annotations

from pathlib import Path

from tests.contracts import stores
from tests.faults.runs import Run
from tests.faults.script import KEEP_VERSIONS, SCRIPT, SIZES, Model, Player, Step, view


class Broken(AssertionError):
    """A promise of the store."""


def _stopped(reason: str) -> None:
    raise Broken(f"a store on a sound disk has stopped: {reason}")


def check_and_finish(store_name: str, folder: Path, run: Run) -> None:
    """Open what a run has left, compare it with what the run was told, play the rest of the script and compare again."""
    store = getattr(stores, store_name)(folder, keep_versions=KEEP_VERSIONS, fatal=_stopped)
    try:
        before, after, whole = Model(SCRIPT[: run.done]), Model(SCRIPT[: run.done + 1]), Model(SCRIPT)
        _compare(store, before, after, f"after {run.done} acknowledged steps")
        player = Player(store, before)
        for step in _missing(store, run.done):
            player.play(step)
        player = Player(store, after)
        for step in SCRIPT[run.done + 1 :]:
            player.play(step)
        _compare(store, whole, whole, "after the rest of the script")
    finally:
        store.close()


def _compare(store: stores.SqliteStore, before: Model, after: Model, when: str) -> None:
    for network in SIZES:
        found = view(store, network)
        if found not in (before.view(network), after.view(network)):
            raise Broken(f"{when}, {network} is {found}, and must be {before.view(network)} or {after.view(network)}")


def _missing(store: stores.SqliteStore, done: int) -> list[Step]:
    """What is left of the step that was under way."""
    if done == len(SCRIPT):
        return []
    step = SCRIPT[done]
    after = Model(SCRIPT[: done + 1])
    if step[0] != "together":
        return [] if view(store, step[1]) == after.view(step[1]) and step[0] not in {"stale", "used key"} else [step]
    late = [network for network in step[1:] if view(store, network) != after.view(network)]
    return [("together", *late)] if late else []
