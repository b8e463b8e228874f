"""Logged steps: what a version is kept as, what is computed again and when, and what becomes of a replay that differs."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.network import Parameters
from core.optimizers import OptimizerState
from service.engine.base import Change, Guard, Snapshot
from service.engine.local import LocalEngine
from service.engine.replay import Bounds
from service.errors import ReplayDiffers
from service.storage.base import Store
from tests.contracts.drawings import SIZE
from tests.contracts.engine_base import LARGE, SMALL, create, plus_one, until
from tests.contracts.engine_logged import Again, LoggedEngine
from tests.service.engine.test_local import engine_on

Body = Callable[[LocalEngine, Store], Awaitable[Any]]


def played(folder: Path, body: Body, again: Again | None = None, *, crash: bool = False, **options: Any) -> Any:
    """What a body comes to with an engine on a folder, which is closed afterwards, or as it was when the body ended."""

    async def main() -> Any:
        engine, store = engine_on(folder, kind=LoggedEngine, recompute=again or Again(), **options)
        try:
            return await asyncio.wait_for(body(engine, store), 60)
        finally:
            if crash:
                shutil.copytree(folder, folder.with_name("crashed"))
            await engine.close()

    found = asyncio.run(main())
    if crash:
        shutil.rmtree(folder)
        shutil.move(folder.with_name("crashed"), folder)
    return found


async def steps(engine: LocalEngine, network: str, count: int) -> None:
    for _ in range(count):
        await engine.write(network, plus_one, Guard(), SMALL)


def recorded(store: Store, network: str) -> list[int]:
    """The versions that are kept as steps, oldest first."""
    return [entry.version for entry in store.versions(network, 999)[::-1] if entry.recorded]


def at(version: int) -> list[float]:
    return [float(number + version) for number in range(SIZE)]


def made(folder: Path, count: int, **options: Any) -> str:
    """A network with steps that a crash left unsettled."""

    async def body(engine: LocalEngine, _: Store) -> str:
        network = await create(engine)
        await steps(engine, network, count)
        return network

    return str(played(folder, body, crash=True, **options))


def test_after_a_crash_steps_are_computed_again_and_go_on(tmp_path: Path) -> None:
    network, again = made(tmp_path / "data", 7, bounds=Bounds(steps=5)), Again()

    async def body(engine: LocalEngine, store: Store) -> None:
        assert recorded(store, network) == [1, 2, 3, 4, 6, 7]
        snapshot = await engine.snapshot(network)
        assert (snapshot.version, snapshot.parameters.vector.tolist()) == (7, at(7))
        assert snapshot.optimizer is not None
        assert int(snapshot.optimizer.arrays["step"]) == 7
        assert again.computed == [6, 7]
        assert (await engine.at_version(network, 3)).parameters.vector.tolist() == at(3)
        assert (await engine.at_version(network, 3)).record.version == 3
        assert again.computed == [6, 7, 1, 2, 3, 1, 2, 3]
        await steps(engine, network, 3)
        assert recorded(store, network) == [1, 2, 3, 4, 6, 7, 8, 9], "what was computed again counts"

    played(tmp_path / "data", body, again, bounds=Bounds(steps=5))


def test_whoever_ends_in_order_leaves_nothing_to_compute_again(tmp_path: Path) -> None:
    async def before(engine: LocalEngine, store: Store) -> list[str]:
        networks = [await create(engine) for _ in range(3)]
        for network in networks:
            await steps(engine, network, 3)
            assert recorded(store, network) == [1, 2, 3]
        return networks

    networks, again = played(tmp_path, before), Again()

    async def after(engine: LocalEngine, store: Store) -> None:
        for network in networks:
            assert (await engine.snapshot(network)).parameters.vector.tolist() == at(3)
            assert recorded(store, network) == [1, 2]
        assert again.computed == []

    played(tmp_path, after, again)


def test_whoever_leaves_memory_is_kept_whole_and_reads_wait_for_nothing(tmp_path: Path) -> None:
    async def body(engine: LocalEngine, store: Store) -> None:
        network = await create(engine)
        for version in (1, 2, 3):
            await steps(engine, network, 1)
            await until(lambda: engine.live_bytes == 0)
            assert recorded(store, network) == []
            assert (await engine.snapshot(network)).version == version
        await asyncio.gather(*(engine.write(network, plus_one, Guard(), LARGE) for _ in range(20)))
        await until(lambda: engine.live_networks == 0)
        assert (await engine.snapshot(network)).parameters.vector.tolist() == at(23)

    again = Again()
    played(tmp_path, body, again, max_live_bytes=0)
    assert again.computed == []


def test_a_full_disk_keeps_nobody_in_memory(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    again = Again()

    async def body(engine: LocalEngine, store: Store) -> None:
        network = await create(engine)
        await engine.snapshot(network)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        await steps(engine, network, 2)
        engine._live._limit = 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            await engine.snapshot(network)
            with engine._live.hold(network):
                pass
            await until(lambda: engine.live_bytes == 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert recorded(store, network) == [1, 2]
        assert (await engine.snapshot(network)).parameters.vector.tolist() == at(2)
        assert again.computed == [1, 2]

    played(tmp_path, body, again, name="slots")


def other_kind(current: Snapshot) -> Change:
    made = plus_one(current)
    assert made.optimizer is not None
    return replace(made, optimizer=OptimizerState("adam", made.optimizer.arrays))


def put(current: Snapshot) -> Change:
    return Change(Parameters(current.architecture, current.parameters.vector * 2), current.optimizer, "put-parameters")


@pytest.mark.parametrize(
    ("bounds", "whole"),
    [
        (Bounds(steps=1), [1, 2, 3, 4, 5, 6]),
        (Bounds(steps=3), [3, 6]),
        (Bounds(nbytes=0), []),  # their records are never more than the numbers
        (Bounds(seconds=0.0), [1, 2, 3, 4, 5, 6]),
        (Bounds(), []),
    ],
)
def test_what_there_is_to_compute_again_is_bounded(tmp_path: Path, bounds: Bounds, whole: list[int]) -> None:
    async def body(engine: LocalEngine, store: Store) -> None:
        network = await create(engine)
        await steps(engine, network, 6)
        assert recorded(store, network) == [version for version in range(1, 7) if version not in whole]

    played(tmp_path, body, bounds=bounds)


def test_records_take_no_more_than_the_numbers_or_what_is_set(tmp_path: Path) -> None:
    async def body(engine: LocalEngine, store: Store) -> None:
        network = await create(engine)
        state = store.state(network)
        await steps(engine, network, 30)
        each, whole = 3 * 8, 2 * SIZE * 8 + 8  # of one record, and of a version that remembers a velocity and a count
        assert state.nbytes < whole
        between = whole // each + 1
        assert [version for version in range(1, 31) if version not in recorded(store, network)] == [between]

    played(tmp_path, body, bounds=Bounds(nbytes=0))


def test_whatever_is_no_step_of_the_same_kind_is_kept_whole(tmp_path: Path) -> None:
    async def body(engine: LocalEngine, store: Store) -> None:
        network = await create(engine)
        await steps(engine, network, 2)
        await engine.write(network, put, Guard(), SMALL)
        await steps(engine, network, 1)
        await engine.write(network, other_kind, Guard(), SMALL)
        await engine.write(network, plus_one, Guard(), SMALL)  # and back
        await steps(engine, network, 1)
        await engine.create_checkpoint(network, "named", 4, Guard())
        await engine.restore(network, "named", Guard())
        await steps(engine, network, 1)
        assert recorded(store, network) == [1, 2, 7, 9]
        assert store.state(network, 4).parameters.tolist() == [2.0 * number + 1 for number in at(2)]
        fork = await engine.fork(
            network, 7, lambda source: (replace(source.record, id="net_fork", version=0), {}), Guard()
        )
        assert fork.version == 0
        await steps(engine, "net_fork", 1)
        assert recorded(store, "net_fork") == [1]

    played(tmp_path, body)


def test_an_engine_that_cannot_compute_again_logs_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        engine, store = engine_on(tmp_path, kind=LoggedEngine)
        network = await create(engine)
        await steps(engine, network, 3)
        assert recorded(store, network) == []
        await engine.close()

    asyncio.run(main())


def test_a_replay_that_differs_is_named_and_never_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    network, again = made(tmp_path / "data", 5, bounds=Bounds(steps=3)), Again({"counting": "2"})

    async def body(engine: LocalEngine, _: Store) -> None:
        for call in (
            lambda: engine.snapshot(network),
            lambda: engine.write(network, plus_one, Guard(key="k", fingerprint="f"), SMALL),
            lambda: engine.at_version(network, 4),
            lambda: engine.fork(network, None, lambda source: (source.record, {}), Guard()),
            lambda: engine.create_checkpoint(network, "x", 4, Guard()),
        ):
            with pytest.raises(ReplayDiffers, match=f"step to version 4 of network {network}") as found:
                await call()
            assert (found.value.version, found.value.whole) == (4, 3)
            assert found.value.numerics == {"counting": {"then": "1", "now": "2"}}
        assert again.computed == [4], "it is not tried again"
        assert (await engine.at_version(network, 3)).parameters.vector.tolist() == at(3)
        assert (await engine.at_version(network, 0)).parameters.vector.tolist() == at(0)
        assert (await engine.record(network)).version == 5
        assert await engine.checkpoints(network) == []
        # The way on: the newest version that is there gets a name, and is restored.
        await engine.create_checkpoint(network, "last good", 3, Guard())
        restored = await engine.restore(network, "last good", Guard(frozenset({5})))
        assert restored.version == 6
        assert (await engine.snapshot(network)).parameters.vector.tolist() == at(3)
        await engine.write(network, plus_one, Guard(), SMALL)
        assert (await engine.snapshot(network)).parameters.vector.tolist() == at(4)
        with pytest.raises(ReplayDiffers):
            await engine.at_version(network, 5)

    played(tmp_path / "data", body, again, bounds=Bounds(steps=3))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert network in caplog.text
