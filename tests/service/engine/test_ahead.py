"""Versions that are computed while those before them are on their way to the disk."""

from __future__ import annotations

import asyncio
import errno
import random
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from core.backend import select
from core.errors import NonFiniteError
from service.engine.base import Guard, Snapshot
from service.engine.local import LocalEngine
from service.errors import NotFound, StalePrecondition, StorageFull
from service.storage.base import timestamp
from service.storage.sqlite import SqliteStore
from tests.contracts.engine_base import LARGE, SMALL, create, held, plus_one, until


class Disk(SqliteStore):
    """A store whose disk is slow, or fails, when a test says so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.on_their_way: list[tuple[Callable[[], Future[None]], Future[None]]] = []
        self.is_slow = False
        self.promise: type[Future[None]] = Future

    def commit_version(self, *arguments: Any) -> Future[None]:
        commit = super().commit_version
        if not self.is_slow:
            return commit(*arguments)
        told = self.promise()
        self.on_their_way.append((lambda: commit(*arguments), told))
        return told

    def arrive(self, error: Exception | None = None) -> None:
        """The first that is on its way comes to the disk, unless this error keeps it from there."""
        commit, told = self.on_their_way.pop(0)
        failure = error or commit().exception()
        if failure is None:
            told.set_result(None)
        else:
            told.set_exception(failure)

    def arrive_all(self) -> None:
        self.is_slow = False
        while self.on_their_way:
            self.arrive()


Body = Callable[[LocalEngine, Disk, str], Awaitable[None]]


@pytest.fixture
def check(tmp_path: Path) -> Callable[[Body], None]:
    """Run a body with a network whose versions stay on their way until they are let go."""

    def run(body: Body) -> None:
        async def main() -> None:
            store = Disk(tmp_path)
            engine = LocalEngine(store, select("numpy"), threads=2)
            network = await create(engine)
            store.is_slow = True
            try:
                await asyncio.wait_for(body(engine, store, network), 60)
            finally:
                store.arrive_all()
                await engine.close()

        asyncio.run(main())

    return run


def step(engine: LocalEngine, network: str, guard: Guard | None = None, change: Any = plus_one) -> asyncio.Task[Any]:
    operations = SMALL if change is plus_one else LARGE
    return asyncio.create_task(engine.write(network, change, guard or Guard(), operations))


async def turns() -> None:
    """What can go on has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_the_next_version_is_computed_and_nothing_is_told_before_it_is_on_disk(check: Callable[[Body], None]) -> None:
    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        steps = [step(engine, network) for _ in range(3)]
        await until(lambda: len(store.on_their_way) == 3)
        await turns()
        assert not any(one.done() for one in steps)
        assert (await engine.snapshot(network)).version == (await engine.record(network)).version == 0
        assert (await engine.snapshot(network)).parameters.vector[0] == 0
        store.arrive()
        assert (await steps[0]).version == 1
        assert (await engine.snapshot(network)).version == 1
        assert not steps[1].done()
        store.arrive()
        store.arrive()
        assert [(await one).version for one in steps[1:]] == [2, 3]
        assert (await engine.snapshot(network)).parameters.vector[0] == 3

    check(body)


def test_what_follows_a_version_that_did_not_arrive_fails_as_it_did(check: Callable[[Body], None]) -> None:
    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        steps = [step(engine, network, Guard(None, f"k{number}", "f")) for number in range(4)]
        await until(lambda: len(store.on_their_way) == 4)
        store.arrive()
        store.arrive(StorageFull("no room"))
        store.arrive()
        store.arrive()
        assert (await steps[0]).version == 1
        for one in steps[1:]:
            with pytest.raises(StorageFull, match="no room"):
                await one
        assert (await engine.snapshot(network)).version == store.network(network).version == 1
        store.arrive_all()
        answers = [await step(engine, network, Guard(None, f"k{number}", "f")) for number in range(4)]
        assert [(answer.version, answer.replayed) for answer in answers] == [
            (1, True),
            (2, False),
            (3, False),
            (4, False),
        ]
        assert (await engine.snapshot(network)).parameters.vector[0] == 4

    check(body)


def test_what_was_computed_on_a_version_that_did_not_arrive_is_computed_again(check: Callable[[Body], None]) -> None:
    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        slow, followed = held(), []

        def change(current: Snapshot) -> Any:
            followed.append(current.version)
            return slow(current)

        first, second = step(engine, network), step(engine, network, change=change)
        await until(slow.begun.is_set)
        store.arrive(StorageFull("no room"))
        with pytest.raises(StorageFull):
            await first
        slow.go.set()
        await until(lambda: len(store.on_their_way) == 1)
        store.arrive()
        assert (await second).version == 1
        assert followed == [1, 0]
        assert (await engine.snapshot(network)).parameters.vector[0] == 1

    check(body)


def test_nobody_is_refused_for_what_is_not_on_disk(check: Callable[[Body], None]) -> None:
    def only_from_the_start(current: Snapshot) -> Any:
        if current.version:
            raise NonFiniteError(3, "activations")
        return plus_one(current)

    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        for error in (StorageFull("no room"), None):
            first = step(engine, network)
            await until(lambda: len(store.on_their_way) == 1)
            second = asyncio.create_task(engine.write(network, only_from_the_start, Guard(), SMALL))
            await turns()
            assert not second.done()
            store.arrive(error)
            if error is None:
                assert (await first).version == 2
                with pytest.raises(NonFiniteError):
                    await second
            else:
                with pytest.raises(StorageFull):
                    await first
                await until(lambda: len(store.on_their_way) == 1)
                store.arrive()
                assert (await second).version == 1

    check(body)


class Ending(Future[None]):
    """Fails as soon as somebody has seen that it has not ended."""

    waits = True

    def done(self) -> bool:
        is_done = super().done()
        if not (is_done or self.waits):
            self.waits = True
            self.set_exception(StorageFull("no room"))
        return is_done


def test_a_version_that_fails_while_it_is_looked_at_is_not_published(check: Callable[[Body], None]) -> None:
    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        store.promise = Ending
        first, second = step(engine, network), step(engine, network)
        await until(lambda: len(store.on_their_way) == 2)
        _, ending = store.on_their_way.pop()
        assert isinstance(ending, Ending)
        ending.waits = False
        store.arrive()
        assert (await first).version == 1
        with pytest.raises(StorageFull):
            await second
        assert (await engine.snapshot(network)).version == store.network(network).version == 1
        store.arrive_all()
        assert (await step(engine, network)).version == 2

    check(body)


@pytest.mark.parametrize("seed", range(3))
def test_a_disk_that_is_full_now_and_then(tmp_path: Path, seed: int) -> None:
    """Writes fail in slots and in the journal, clients leave, and what everybody sees is what is there."""
    draw = random.Random(seed)

    class Full(SqliteStore):
        def commit_version(self, *arguments: Any) -> Future[None]:
            self._keeper._inline_bytes = draw.choice((0, 10**6))
            return super().commit_version(*arguments)

    def failing(write: Callable[..., Any]) -> Callable[..., Any]:
        def attempt(*arguments: Any, **options: Any) -> Any:
            if draw.random() < 0.1:
                raise OSError(errno.ENOSPC, "full")
            return write(*arguments, **options)

        return attempt

    async def body() -> None:
        store = Full(tmp_path)
        engine = LocalEngine(store, select("numpy"), threads=2)
        networks = [await create(engine) for _ in range(2)]
        store._slots.write = failing(store._slots.write)
        store._journal.write = failing(store._journal.write)
        answered, refused = dict.fromkeys(networks, 0), 0

        async def read(network: str) -> None:
            last = 0
            while True:
                snapshot = await engine.snapshot(network)
                assert last <= snapshot.version <= store.network(network).version
                assert snapshot.parameters.vector[0] == snapshot.version
                last = snapshot.version
                await asyncio.sleep(0.0005)

        async def client(name: int) -> None:
            nonlocal refused
            for number in range(25):
                network, guard = draw.choice(networks), Guard(None, f"{name}-{number}", "f")
                while True:
                    write = step(engine, network, guard)
                    if draw.random() < 0.1:
                        asyncio.get_running_loop().call_later(draw.random() * 0.004, write.cancel)
                    await asyncio.wait([write])
                    if not write.cancelled() and write.exception() is None:
                        break
                    if not write.cancelled():
                        assert isinstance(write.exception(), StorageFull), write.exception()
                        refused += 1
                answered[network] += 1

        readers = [asyncio.create_task(read(network)) for network in networks]
        await asyncio.wait_for(asyncio.gather(*map(client, range(16))), 60)
        for reader in readers:
            reader.cancel()
        outcomes = await asyncio.gather(*readers, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes), outcomes
        for network in networks:
            assert (await engine.snapshot(network)).version == store.network(network).version == answered[network]
        assert refused
        await engine.close()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        asyncio.run(body())
    finally:
        sys.setswitchinterval(before)


def test_a_condition_is_held_to_what_is_on_disk(check: Callable[[Body], None]) -> None:
    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        step(engine, network)
        right, late = step(engine, network, Guard(frozenset({1}))), step(engine, network, Guard(frozenset({2})))
        await until(lambda: len(store.on_their_way) == 1)
        await turns()
        assert len(store.on_their_way) == 1
        assert not right.done()
        store.arrive()
        await until(lambda: len(store.on_their_way) == 1)
        assert not late.done()
        store.arrive(StorageFull("no room"))
        with pytest.raises(StorageFull):
            await right
        with pytest.raises(StalePrecondition) as refused:
            await late
        assert refused.value.current == 1

    check(body)


def test_no_more_are_on_their_way_than_may_be(check: Callable[[Body], None]) -> None:
    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        steps = [step(engine, network) for _ in range(40)]
        await until(lambda: len(store.on_their_way) == 16)
        await turns()
        assert len(store.on_their_way) == 16
        store.arrive()
        await until(lambda: len(store.on_their_way) == 16)
        store.arrive_all()
        assert [(await one).version for one in steps] == list(range(1, 41))

    check(body)


def test_a_large_network_has_one_version_on_its_way(
    check: Callable[[Body], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.live._AHEAD_BYTES", 500)  # more than one of these, and less than two

    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        steps = [step(engine, network) for _ in range(2)]
        await until(lambda: len(store.on_their_way) == 1)
        await turns()
        assert len(store.on_their_way) == 1
        store.arrive_all()
        assert [(await one).version for one in steps] == [1, 2]

    check(body)


@pytest.mark.parametrize("call", ["rename", "delete", "checkpoint", "restore"])
def test_whoever_changes_more_waits_for_what_is_on_its_way(check: Callable[[Body], None], call: str) -> None:
    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        await engine.create_checkpoint(network, "start", 0, Guard())
        calls = {
            "rename": lambda: engine.rename(network, "new", Guard()),
            "delete": lambda: engine.delete(network, Guard()),
            "checkpoint": lambda: engine.create_checkpoint(network, "here", None, Guard()),
            "restore": lambda: engine.restore(network, "start", Guard()),
        }
        first = step(engine, network)
        await until(lambda: len(store.on_their_way) == 1)
        other = asyncio.create_task(calls[call]())
        last = step(engine, network)
        await turns()
        assert not other.done()
        store.arrive_all()
        assert (await first).version == 1
        answer = await other
        if call == "delete":
            with pytest.raises(NotFound):
                await last
            return
        assert answer.version == {"rename": 1, "checkpoint": 1, "restore": 2}[call]
        assert (await last).version == answer.version + 1

    check(body)


def test_a_client_that_leaves_takes_no_version_along(check: Callable[[Body], None]) -> None:
    async def body(engine: LocalEngine, store: Disk, network: str) -> None:
        first, second = step(engine, network), step(engine, network)
        await until(lambda: len(store.on_their_way) == 2)
        first.cancel()
        await turns()
        assert not first.done(), "the store has it, and nobody can say that it will not happen"
        store.arrive()
        store.arrive()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await second).version == 2
        assert (await engine.snapshot(network)).parameters.vector[0] == 2

    check(body)


def test_a_network_stays_in_memory_while_anything_is_on_its_way(tmp_path: Path) -> None:
    async def body() -> None:
        store = Disk(tmp_path)
        engine = LocalEngine(store, select("numpy"), threads=2, max_live_bytes=0)
        network = await create(engine)
        store.is_slow = True
        steps = [step(engine, network) for _ in range(2)]
        await until(lambda: len(store.on_their_way) == 2)
        assert (await engine.snapshot(network)).version == 0
        assert engine.live_networks == 1
        store.arrive_all()
        assert [(await one).version for one in steps] == [1, 2]
        assert engine.live_networks == 0
        assert (await engine.snapshot(network)).parameters.vector[0] == 2
        await engine.close()

    asyncio.run(body())


def test_a_network_that_is_read_while_its_steps_land_is_always_one_of_its_versions(tmp_path: Path) -> None:
    async def body() -> None:
        engine = LocalEngine(SqliteStore(tmp_path), select("numpy"), threads=2)
        network, seen, done = await create(engine), [], threading.Event()

        async def read() -> None:
            while not done.is_set():
                snapshot = await engine.snapshot(network)
                assert snapshot.parameters.vector[0] == snapshot.version
                seen.append(snapshot.version)
                await asyncio.sleep(0)

        reader = asyncio.create_task(read())
        answers = await asyncio.gather(*(step(engine, network) for _ in range(200)))
        done.set()
        await reader
        assert [answer.version for answer in answers] == list(range(1, 201))
        assert seen == sorted(seen)
        assert len(set(seen)) > 1
        assert (await engine.versions(network, 1))[0].created_at <= timestamp()
        await engine.close()

    asyncio.run(body())
