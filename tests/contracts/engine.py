"""The contract of an engine: an engine is finished when it passes `EngineContract`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import NonFiniteError
from core.network import Parameters
from core.optimizers import OptimizerState
from service.engine.base import Change, Engine, Guard, Snapshot
from service.engine.states import architecture_of
from service.errors import (
    Gone,
    IdempotencyMismatch,
    NotFound,
    PreconditionRequired,
    StalePrecondition,
    StillRunning,
    StorageUnavailable,
)
from service.storage.base import NetworkRecord, timestamp
from tests.contracts.drawings import SIZE, SPEC, identity

SMALL, LARGE = 1, 10**9
"""Operations that run on the event loop, and in a thread."""


def plus_one(current: Snapshot) -> Change:
    """The next version has numbers that are larger by one, and the optimizer remembers how many steps there were."""
    vector = current.parameters.vector + 1
    steps = 0 if current.optimizer is None else int(current.optimizer.arrays["step"])
    optimizer = OptimizerState("sgd", {"velocity": vector * 2, "step": np.array(steps + 1)})
    said = {"cost": float(vector[0]), "gradient_norm": 1.0}
    return Change(replace(current.parameters, vector=vector), optimizer, "sgd-step", summary=said, body=said)


@dataclass
class Held:
    """A change that waits in its thread until it is let go."""

    begun: threading.Event
    go: threading.Event

    def __call__(self, current: Snapshot) -> Change:
        self.begun.set()
        assert self.go.wait(20)
        return plus_one(current)


def held() -> Held:
    return Held(threading.Event(), threading.Event())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is waited for happens in a thread
            await asyncio.sleep(0.002)


async def create(engine: Engine, guard: Guard | None = None, network: str | None = None) -> str:
    now, architecture = timestamp(), architecture_of(SPEC)
    record = NetworkRecord(network or identity(), "drawn", SPEC, 0, now, now)
    parameters = Parameters(architecture, engine.backend.asarray(np.arange(SIZE, dtype="float64")))
    answer = await engine.create(record, parameters, {"id": record.id, "version": 0}, guard or Guard())
    assert answer.status == 201
    return str(answer.body["id"])


class EngineContract:
    """Subclass it and say how an engine is opened on a folder."""

    def open(self, folder: Path, **options: Any) -> Engine:
        raise NotImplementedError

    @pytest.fixture
    def check(self, tmp_path: Path) -> Callable[..., None]:
        """Run a coroutine function with an engine that is open meanwhile."""

        def run(body: Callable[[Engine], Awaitable[None]], **options: Any) -> None:
            async def main() -> None:
                engine = self.open(tmp_path, **options)
                try:
                    await asyncio.wait_for(body(engine), 60)
                finally:
                    await engine.close()

            asyncio.run(main())

        return run

    def test_a_step_is_answered_published_and_kept(self, check: Any) -> None:
        network = ""

        async def step(engine: Engine) -> None:
            nonlocal network
            network = await create(engine)
            before = await engine.snapshot(network)
            for operations in (SMALL, LARGE):
                applied = await engine.write(network, plus_one, Guard(), operations)
            assert (applied.version, applied.status, applied.replayed) == (2, 200, False)
            assert applied.body == {"version": 2, "cost": 2.0, "gradient_norm": 1.0}
            assert next(iter(applied.body)) == "version"
            after = await engine.snapshot(network)
            assert (before.version, after.version) == (0, 2)
            assert before.parameters.vector.tolist() == list(range(SIZE))
            assert (await engine.record(network)).version == 2
            assert [(entry.version, entry.made_by) for entry in await engine.versions(network, 9)] == [
                (2, "sgd-step"),
                (1, "sgd-step"),
                (0, "create"),
            ]

        async def look(engine: Engine) -> None:
            snapshot = await engine.snapshot(network)
            assert snapshot.version == 2
            assert snapshot.parameters.vector.tolist() == [number + 2 for number in range(SIZE)]
            assert snapshot.optimizer is not None
            assert snapshot.optimizer.kind == "sgd"
            assert int(snapshot.optimizer.arrays["step"]) == 2
            assert (await engine.write(network, plus_one, Guard(), SMALL)).body["cost"] == 3.0

        check(step)
        check(look)

    def test_older_versions_are_read_until_they_have_gone(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network = await create(engine)
            for _ in range(5):
                await engine.write(network, plus_one, Guard(), SMALL)
            for version in (5, 4, 3):
                assert (await engine.at_version(network, version)).vector[0] == version
            with pytest.raises(Gone):
                await engine.at_version(network, 2)
            with pytest.raises(NotFound):
                await engine.at_version(network, 6)

        check(body, keep_versions=3)

    def test_what_does_not_exist_is_not_found(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            for call in (
                lambda: engine.snapshot("net_no"),
                lambda: engine.at_version("net_no", 0),
                lambda: engine.record("net_no"),
                lambda: engine.versions("net_no", 1),
                lambda: engine.write("net_no", plus_one, Guard(key="k", fingerprint="f"), SMALL),
                lambda: engine.rename("net_no", None, Guard()),
                lambda: engine.delete("net_no", Guard()),
            ):
                for _ in range(2):
                    with pytest.raises(NotFound):
                        await call()

        check(body)

    # If-Match.

    def test_a_stale_write_changes_nothing(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network = await create(engine)
            await engine.write(network, plus_one, Guard(frozenset({0, 7})), SMALL)
            for stale in (frozenset({0}), frozenset({2, 3}), frozenset[int]()):
                for call in (
                    lambda stale=stale: engine.write(network, plus_one, Guard(stale), SMALL),
                    lambda stale=stale: engine.rename(network, "x", Guard(stale)),
                    lambda stale=stale: engine.delete(network, Guard(stale)),
                ):
                    with pytest.raises(StalePrecondition) as refused:
                        await call()
                    assert refused.value.current == 1
            assert (await engine.record(network)).version == 1
            assert (await engine.write(network, plus_one, Guard("*"), SMALL)).version == 2

        check(body)

    def test_a_service_may_demand_if_match(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network = await create(engine)
            for call in (
                lambda: engine.write(network, plus_one, Guard(), SMALL),
                lambda: engine.rename(network, "x", Guard()),
                lambda: engine.delete(network, Guard()),
            ):
                with pytest.raises(PreconditionRequired):
                    await call()
            await engine.write(network, plus_one, Guard(frozenset({0})), SMALL)
            await engine.delete(network, Guard("*"))

        check(body, require_if_match=True)

    # Idempotency keys.

    def test_a_key_gives_the_first_answer_again(self, check: Any) -> None:
        network, guard = "", Guard(frozenset({0}), "once", "f")

        async def first(engine: Engine) -> None:
            nonlocal network
            network = await create(engine)
            answer = await engine.write(network, plus_one, guard, SMALL)
            await engine.write(network, plus_one, Guard(), SMALL)
            again = await engine.write(network, plus_one, guard, SMALL)
            assert again == replace(answer, replayed=True)
            assert (await engine.record(network)).version == 2

        async def after_a_restart(engine: Engine) -> None:
            again = await engine.write(network, plus_one, guard, SMALL)
            assert (again.version, again.replayed) == (1, True)
            assert again.body == {"version": 1, "cost": 1.0, "gradient_norm": 1.0}
            with pytest.raises(IdempotencyMismatch):
                await engine.write(network, plus_one, replace(guard, fingerprint="g"), SMALL)
            other = await create(engine)
            assert not (await engine.write(other, plus_one, guard, SMALL)).replayed

        check(first)
        check(after_a_restart)

    def test_a_key_whose_request_failed_is_free(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network = await create(engine)
            with pytest.raises(StalePrecondition):
                await engine.write(network, plus_one, Guard(frozenset({9}), "k", "f"), SMALL)
            assert (await engine.write(network, plus_one, Guard(frozenset({0}), "k", "f"), SMALL)).version == 1

        check(body)

    def test_a_key_under_way_is_still_running(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network, slow, guard = await create(engine), held(), Guard(None, "k", "f")
            first = asyncio.create_task(engine.write(network, slow, guard, LARGE))
            await until(slow.begun.is_set)
            with pytest.raises(StillRunning):
                await engine.write(network, plus_one, guard, SMALL)
            with pytest.raises(IdempotencyMismatch):
                await engine.write(network, plus_one, replace(guard, fingerprint="g"), SMALL)
            slow.go.set()
            assert (await first).version == 1
            assert (await engine.write(network, plus_one, guard, SMALL)).replayed

        check(body)

    def test_a_storm_with_one_key_is_applied_once(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network, guard = await create(engine), Guard(None, "k", "f")
            calls = [engine.write(network, plus_one, guard, LARGE) for _ in range(64)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert sum(not isinstance(answer, BaseException) and not answer.replayed for answer in answers) == 1
            assert all(
                isinstance(answer, StillRunning) or (not isinstance(answer, BaseException) and answer.version == 1)
                for answer in answers
            )
            assert (await engine.record(network)).version == 1

        check(body)

    def test_creation_with_a_key_happens_once(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            guard = Guard(None, "k", "f")
            first = await create(engine, guard)
            assert await create(engine, guard) == first
            with pytest.raises(IdempotencyMismatch):
                await create(engine, replace(guard, fingerprint="g"))
            assert [record.id for record in (await engine.networks(9))[0]] == [first]
            await engine.delete(first, Guard())
            assert await create(engine, guard) == first
            with pytest.raises(NotFound):
                await engine.snapshot(first)

        check(body)

    # Order, failure and cancellation.

    def test_writes_happen_in_order_of_arrival_and_none_is_lost(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            networks = [await create(engine) for _ in range(4)]
            calls = [
                engine.write(network, plus_one, Guard(), LARGE if number % 3 else SMALL)
                for number in range(25)
                for network in networks
            ]
            answers = await asyncio.gather(*calls)
            for place in range(4):
                assert [answer.version for answer in answers[place::4]] == list(range(1, 26))

        check(body)

    def test_a_reader_does_not_wait_for_a_write(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network, slow = await create(engine), held()
            write = asyncio.create_task(engine.write(network, slow, Guard(), LARGE))
            await until(slow.begun.is_set)
            async with asyncio.timeout(5):
                assert (await engine.snapshot(network)).version == 0
                assert (await engine.record(network)).version == 0
                assert await engine.compute(lambda: 7, SMALL) == 7
            slow.go.set()
            await write

        check(body)

    @pytest.mark.parametrize("operations", [SMALL, LARGE])
    def test_what_a_computation_raises_comes_through_and_changes_nothing(self, check: Any, operations: int) -> None:
        def fails(_: Any = None) -> Any:
            raise NonFiniteError(3, "activations")

        async def body(engine: Engine) -> None:
            network = await create(engine)
            with pytest.raises(NonFiniteError):
                await engine.write(network, fails, Guard(None, "k", "f"), operations)
            with pytest.raises(NonFiniteError):
                await engine.compute(fails, operations)
            assert (await engine.write(network, plus_one, Guard(None, "k", "f"), operations)).version == 1

        check(body)

    def test_a_client_that_leaves_while_it_computes_leaves_no_trace(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network, slow = await create(engine), held()
            write = asyncio.create_task(engine.write(network, slow, Guard(None, "k", "f"), LARGE))
            await until(slow.begun.is_set)
            write.cancel()
            with pytest.raises(asyncio.CancelledError):
                await write
            slow.go.set()
            answer = await engine.write(network, plus_one, Guard(None, "k", "f"), SMALL)
            assert (answer.version, answer.replayed) == (1, False)

        check(body)

    def test_a_client_that_leaves_at_any_moment_leaves_whole_versions(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network = await create(engine)
            for applied in range(1, 61):
                write = asyncio.create_task(engine.write(network, plus_one, Guard(None, f"k{applied}", "f"), SMALL))
                for _ in range(applied % 12):
                    await asyncio.sleep(0)
                write.cancel()
                await asyncio.wait([write])
                answer = await engine.write(network, plus_one, Guard(None, f"k{applied}", "f"), SMALL)
                snapshot = await engine.snapshot(network)
                assert answer.version == snapshot.version == applied
                assert snapshot.parameters.vector[0] == applied

        check(body)

    # Names and deletion.

    def test_renaming_keeps_the_version_and_the_numbers(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network = await create(engine)
            await engine.write(network, plus_one, Guard(), SMALL)
            before = await engine.record(network)
            renamed = await engine.rename(network, "ä", Guard(frozenset({1})))
            assert renamed == replace(before, name="ä", updated_at=renamed.updated_at)
            assert await engine.record(network) == renamed == (await engine.snapshot(network)).record
            assert (await engine.networks(5))[0][0] == renamed
            assert (await engine.write(network, plus_one, Guard(), SMALL)).version == 2
            assert (await engine.record(network)).name == "ä"

        check(body)

    def test_what_is_deleted_is_gone_for_those_who_wait_for_it_too(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network, slow = await create(engine), held()
            first = asyncio.create_task(engine.write(network, slow, Guard(), LARGE))
            await until(slow.begun.is_set)
            deletion = asyncio.create_task(engine.delete(network, Guard()))
            waiting = [asyncio.create_task(engine.write(network, plus_one, Guard(), SMALL)) for _ in range(3)]
            await asyncio.sleep(0)
            slow.go.set()
            assert (await first).version == 1
            await deletion
            for write in waiting:
                with pytest.raises(NotFound):
                    await write
            for call in (engine.snapshot, engine.record):
                with pytest.raises(NotFound):
                    await call(network)

        check(body)

    def test_it_says_that_it_can_write_and_how_much_it_holds(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            await create(engine)
            await engine.ready()
            assert (await engine.usage()).networks == 1
            assert engine.description

        check(body)

    def test_a_closed_engine_refuses(self, tmp_path: Path) -> None:
        async def body() -> None:
            engine = self.open(tmp_path)
            network = await create(engine)
            await engine.close()
            with pytest.raises(StorageUnavailable):
                await engine.write(network, plus_one, Guard(), SMALL)
            with pytest.raises(StorageUnavailable):
                await engine.ready()
            with pytest.raises(StorageUnavailable):
                await engine.networks(1)
            with pytest.raises(StorageUnavailable):
                await engine.compute(lambda: None, LARGE)

        asyncio.run(body())
