"""The local engine keeps the contract, with states in rows and in slots, and with next to no memory."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.backend import select
from service.engine.base import Guard
from service.engine.local import LocalEngine
from service.engine.replay import Bounds
from service.errors import CorruptState, Overloaded, StorageFull
from service.storage.base import Store
from service.storage.sqlite import SqliteStore
from service.storage.writer import Write
from tests.contracts import stores
from tests.contracts.drawings import SIZE
from tests.contracts.engine import EngineContract
from tests.contracts.engine_base import LARGE, SMALL, create, held, plus_one, until
from tests.contracts.engine_logged import Again, LoggedEngine

ENGINE_OPTIONS = {"require_if_match", "max_live_bytes", "threads", "waiting", "recompute", "bounds"}


def engine_on(
    folder: Path, name: str = "inline", kind: type[LocalEngine] = LocalEngine, **options: Any
) -> tuple[LocalEngine, Store]:
    limits = {option: value for option, value in options.items() if option not in ENGINE_OPTIONS}
    store = getattr(stores, name)(folder, **limits)
    chosen = {option: value for option, value in options.items() if option in ENGINE_OPTIONS}
    return kind(store, select("numpy"), **{"threads": 2, **chosen}), store


@contextmanager
def slow_disk(store: Store) -> Iterator[None]:
    """Nothing comes to the disk inside the block; the writer goes on at its end, or when a test has waited far too long."""
    assert isinstance(store, SqliteStore)
    begun, go, in_time = threading.Event(), threading.Event(), []

    def change(_connection: Any) -> Sequence[int]:
        begun.set()
        in_time.append(go.wait(10))
        return ()

    held = store._writer.submit(Write(change))
    assert begun.wait(10)
    try:
        yield
    finally:
        go.set()
        held.result()
    assert in_time == [True], "the event loop stood still"


class TestStatesInRows(EngineContract):
    def open(self, folder: Path, **options: Any) -> LocalEngine:
        return engine_on(folder, **options)[0]


class TestStatesInSlots(EngineContract):
    def open(self, folder: Path, **options: Any) -> LocalEngine:
        return engine_on(folder, "slots", **options)[0]


class TestWithoutMemory(EngineContract):
    """Every network leaves memory as soon as nobody works on it."""

    def open(self, folder: Path, **options: Any) -> LocalEngine:
        return engine_on(folder, max_live_bytes=0, **options)[0]


class TestStepsInRows(EngineContract):
    """Networks whose steps are logged, and kept whole now and then."""

    def open(self, folder: Path, **options: Any) -> LocalEngine:
        return engine_on(folder, kind=LoggedEngine, recompute=Again(), bounds=Bounds(steps=4), **options)[0]


class TestStepsInSlotsWithoutMemory(EngineContract):
    """The same, where each leaves memory at once and is therefore kept whole."""

    def open(self, folder: Path, **options: Any) -> LocalEngine:
        return engine_on(folder, "slots", LoggedEngine, recompute=Again(), max_live_bytes=0, **options)[0]


def test_memory_is_bounded_and_the_least_recently_used_leave(tmp_path: Path) -> None:
    async def body() -> None:
        engine, _ = engine_on(tmp_path / "alone")
        await engine.write(await create(engine), plus_one, Guard(), SMALL)
        one = engine.live_bytes
        assert one > SIZE * 8 * 2 + 8  # parameters, velocity and the count of steps, and what there is besides
        await engine.close()
        engine, _ = engine_on(tmp_path / "several", max_live_bytes=3 * one)
        networks = [await create(engine) for _ in range(6)]
        for network in networks:
            await engine.write(network, plus_one, Guard(), SMALL)
        assert engine.live_bytes == 3 * one
        await engine.snapshot(networks[3])
        await engine.snapshot(networks[0])
        assert engine.live_bytes == 3 * one
        assert [engine._live.find(network) is not None for network in networks] == [
            True,
            *[False] * 2,
            True,
            False,
            True,
        ]
        for network in networks:
            assert (await engine.snapshot(network)).parameters.vector[0] == 1
        for network in networks:
            await engine.delete(network, Guard())
        assert engine.live_bytes == 0
        await engine.close()

    asyncio.run(body())


def test_a_small_network_is_counted_as_what_it_takes(tmp_path: Path) -> None:
    async def body() -> None:
        engine, _ = engine_on(tmp_path, max_live_bytes=2**30)
        for _ in range(20):
            await create(engine)
        tracemalloc.start()
        before, counted = tracemalloc.get_traced_memory()[0], engine.live_bytes
        for _ in range(100):
            await create(engine)
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert taken < 2 * (engine.live_bytes - counted)
        await engine.close()

    asyncio.run(body())


def test_a_network_that_is_written_does_not_leave(tmp_path: Path) -> None:
    async def body() -> None:
        engine, _ = engine_on(tmp_path, max_live_bytes=0)
        network, slow = await create(engine), held()
        write = asyncio.create_task(engine.write(network, slow, Guard(), LARGE))
        await until(slow.begun.is_set)
        others = [await create(engine) for _ in range(3)]
        assert engine._live.find(network) is not None
        assert all(engine._live.find(other) is None for other in others)
        slow.go.set()
        await write
        assert engine.live_bytes == 0
        await engine.close()

    asyncio.run(body())


def test_many_readers_of_a_network_at_rest_load_it_once(tmp_path: Path) -> None:
    async def body() -> None:
        engine, _ = engine_on(tmp_path)
        network = await create(engine)
        await engine.close()
        engine, _ = engine_on(tmp_path)
        snapshots = await asyncio.gather(*(engine.snapshot(network) for _ in range(20)))
        assert len({id(snapshot) for snapshot in snapshots}) == 1
        await engine.close()

    asyncio.run(body())


def test_more_work_than_can_wait_is_refused(tmp_path: Path) -> None:
    async def body() -> None:
        engine, _ = engine_on(tmp_path, threads=1, waiting=2)
        go = threading.Event()
        running = [asyncio.create_task(engine.compute(go.wait, LARGE)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await engine.compute(lambda: None, LARGE)
        assert await engine.compute(lambda: 1, SMALL) == 1
        go.set()
        await asyncio.gather(*running)
        await until(lambda: engine.workers.running == 0)
        assert await engine.compute(lambda: 2, LARGE) == 2
        await engine.close()

    asyncio.run(body())


def test_small_work_runs_on_the_loop_and_large_work_beside_it(tmp_path: Path) -> None:
    async def body() -> None:
        engine, _ = engine_on(tmp_path)
        assert await engine.compute(threading.get_ident, SMALL) == threading.get_ident()
        assert await engine.compute(threading.get_ident, LARGE) != threading.get_ident()
        await engine.close()

    asyncio.run(body())


@pytest.mark.parametrize("name", ["inline", "slots"])
def test_a_failed_commit_leaves_memory_at_what_is_on_disk(tmp_path: Path, name: str) -> None:
    """The file size limit of this process stands in for a full disk: the kernel refuses the write."""
    resource = pytest.importorskip("resource")

    async def body() -> None:
        engine, store = engine_on(tmp_path, name)
        network = await create(engine)
        before = await engine.snapshot(network)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            with pytest.raises(StorageFull):
                await engine.write(network, plus_one, Guard(None, "k", "f"), SMALL)
            with pytest.raises(StorageFull):
                await engine.ready()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert await engine.snapshot(network) is before
        assert store.network(network).version == 0
        assert (await engine.write(network, plus_one, Guard(None, "k", "f"), SMALL)).version == 1
        await engine.close()

    asyncio.run(body())


def test_damage_is_named_and_not_served(tmp_path: Path) -> None:
    async def body() -> None:
        engine, _ = engine_on(tmp_path, "slots", max_live_bytes=0)
        network, other = await create(engine), await create(engine)
        slot = min((tmp_path / "slots").iterdir())
        slot.write_bytes(b"\1" + slot.read_bytes()[1:])
        for call in (lambda: engine.snapshot(network), lambda: engine.write(network, plus_one, Guard(), SMALL)):
            with pytest.raises(CorruptState, match=network):
                await call()
        assert (await engine.write(other, plus_one, Guard(), SMALL)).version == 1
        await engine.close()

    asyncio.run(body())


def test_whoever_asks_whether_it_is_ready_waits_no_longer_than_it_wants(tmp_path: Path) -> None:
    async def body() -> None:
        engine, store = engine_on(tmp_path)
        with slow_disk(store), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await engine.ready()
        await engine.ready()
        await engine.close()

    asyncio.run(body())


def test_the_event_loop_goes_on_while_a_checkpoint_is_read(tmp_path: Path) -> None:
    go, in_time = threading.Event(), []

    async def body() -> None:
        engine, store = engine_on(tmp_path)
        network, other = await create(engine), await create(engine)
        await engine.create_checkpoint(network, "first", None, Guard())
        commit = store.commit_version

        def hold_the_writer_behind_it(*arguments: Any) -> Future[None]:
            future = commit(*arguments)
            if arguments[0] == other:
                future.add_done_callback(lambda _: in_time.append(go.wait(10)))
            return future

        store.commit_version = hold_the_writer_behind_it
        with slow_disk(store):  # so that both are journaled together
            first = asyncio.create_task(engine.write(network, plus_one, Guard(), SMALL))
            second = asyncio.create_task(engine.write(other, plus_one, Guard(), SMALL))
            await asyncio.sleep(0.01)
        await first  # which is in the journal, and in no row until the writer goes on
        restoring = asyncio.create_task(engine.restore(network, "first", Guard()))
        for _ in range(10):
            await asyncio.sleep(0.01)
        assert not restoring.done()
        go.set()
        assert (await restoring).version == 2
        await second
        assert in_time == [True], "the event loop stood still"
        await engine.close()

    asyncio.run(body())
