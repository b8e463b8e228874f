"""The contract of an engine, part one: versions, their conditions, names and deletion."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.engine.base import Engine, Guard
from service.errors import (
    Gone,
    NotFound,
    PreconditionRequired,
    StalePrecondition,
    StorageUnavailable,
)
from tests.contracts.drawings import SIZE
from tests.contracts.engine_base import LARGE, SMALL, EngineBase, create, held, plus_one, until


class Versions(EngineBase):
    """One client at a time."""

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
                assert (await engine.at_version(network, version)).parameters.vector[0] == version
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
