"""What must hold of a store after a fault: all that was acknowledged, at most one step more, and it goes on."""

from __future__ import annotations

from collections.abc import Sequence
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
        before, whole = Model(SCRIPT[: run.done]), Model(SCRIPT)
        _compare(store, [before, *map(Model, _possible(run.done))], f"after {run.done} acknowledged steps")
        reached, missing = _missing(store, run.done)
        player = Player(store, reached)
        for step in missing:
            player.play(step)
        player = Player(store, Model(SCRIPT[: run.done + 1]))
        for step in SCRIPT[run.done + 1 :]:
            player.play(step)
        _compare(store, [whole], "after the rest of the script")
    finally:
        store.close()


def _compare(store: stores.SqliteStore, models: Sequence[Model], when: str) -> None:
    for network in SIZES:
        found, expected = view(store, network), [model.view(network) for model in models]
        if found not in expected:
            raise Broken(f"{when}, {network} is {found}, and must be one of {expected}")


def _possible(done: int) -> list[tuple[Step, ...]]:
    """The steps that have happened when that many were acknowledged, and the next one wholly or, where it has parts, in part."""
    if done < len(SCRIPT) and SCRIPT[done][0] == "ahead":
        _, network, count = SCRIPT[done]
        return [(*SCRIPT[:done], ("ahead", network, part)) for part in range(1, count + 1)]
    return [SCRIPT[: done + 1]]


def _missing(store: stores.SqliteStore, done: int) -> tuple[Model, list[Step]]:
    """What is left of the step that was under way, and what it starts from."""
    before = Model(SCRIPT[:done])
    if done == len(SCRIPT):
        return before, []
    step = SCRIPT[done]
    after = Model(SCRIPT[: done + 1])
    if step[0] == "together":
        late = [network for network in step[1:] if view(store, network) != after.view(network)]
        return before, [("together", *late)] if late else []
    if step[0] == "ahead":
        _, network, count = step
        landed = store.network(network).version - before.networks[network].version
        return Model([*SCRIPT[:done], ("ahead", network, landed)]), [("ahead", network, count - landed)]
    is_done = view(store, step[1]) == after.view(step[1]) and step[0] not in {"stale", "used key"}
    return before, [] if is_done else [step]
