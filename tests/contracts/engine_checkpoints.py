"""The contract of an engine, part four: names, the way back to them, and networks that start where others are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from service.engine.base import Applied, Engine, Guard, Snapshot
from service.errors import AlreadyExists, Gone, IdempotencyMismatch, NotFound, PreconditionRequired, StalePrecondition
from service.storage.base import timestamp
from tests.contracts.drawings import SIZE, identity
from tests.contracts.engine_base import LARGE, SMALL, EngineBase, create, held, plus_one, until


async def stepped(engine: Engine, steps: int) -> str:
    network = await create(engine)
    for _ in range(steps):
        await engine.write(network, plus_one, Guard(), SMALL)
    return network


def numbers(snapshot: Snapshot) -> Any:
    """All that a snapshot holds: the parameters, the optimizer and what it remembers."""
    remembered = None
    if snapshot.optimizer is not None:
        remembered = snapshot.optimizer.kind, {n: a.tolist() for n, a in snapshot.optimizer.arrays.items()}
    return snapshot.parameters.vector.tolist(), remembered


def renamed(name: str | None = None) -> Callable[[Snapshot], Any]:
    def describe(source: Snapshot) -> Any:
        now = timestamp()
        record = replace(source.record, id=identity(), name=name, version=0, created_at=now, updated_at=now)
        return record, {"id": record.id, "name": name}

    return describe


class Checkpoints(EngineBase):
    """Checkpoints, restore and fork."""

    def test_a_restored_version_is_a_new_one_with_all_that_the_checkpoint_had(self, check: Any) -> None:
        network, wanted = "", None

        async def before(engine: Engine) -> None:
            nonlocal network, wanted
            network = await stepped(engine, 2)
            wanted = numbers(await engine.snapshot(network))
            named = await engine.create_checkpoint(network, "good", None, Guard())
            assert (named.version, named.status, named.body["version"]) == (2, 201, 2)
            for _ in range(5):
                await engine.write(network, plus_one, Guard(), SMALL)
            restored = await engine.restore(network, "good", Guard(frozenset({7})))
            source = {"checkpoint": "good", "version": 2}
            assert restored == Applied(8, {"version": 8, "source": source}, 200)
            assert numbers(await engine.snapshot(network)) == wanted
            newest = (await engine.versions(network, 1))[0]
            assert (newest.version, newest.made_by, newest.summary) == (8, "restore", {"source": source})

        async def after(engine: Engine) -> None:
            assert numbers(await engine.snapshot(network)) == wanted
            assert numbers(await engine.at_version(network, 2)) == wanted
            assert [made.name for made in await engine.checkpoints(network)] == ["good"]
            assert (await engine.checkpoint(network, "good")).version == 2
            assert (await engine.write(network, plus_one, Guard(), SMALL)).version == 9
            assert await engine.stored_bytes(network) >= 3 * SIZE * 8

        check(before, keep_versions=2)
        check(after, keep_versions=2)

    def test_a_restore_waits_for_its_turn(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network, slow = await stepped(engine, 1), held()
            await engine.create_checkpoint(network, "good", 0, Guard())
            write = asyncio.create_task(engine.write(network, slow, Guard(), LARGE))
            await until(slow.begun.is_set)
            restore = asyncio.create_task(engine.restore(network, "good", Guard()))
            name = asyncio.create_task(engine.create_checkpoint(network, "after", None, Guard()))
            await asyncio.sleep(0.02)
            slow.go.set()
            assert [(await task).version for task in (write, restore, name)] == [2, 3, 3]
            assert (await engine.checkpoint(network, "after")).version == 3
            assert (await engine.snapshot(network)).parameters.vector[0] == 0

        check(body)

    def test_conditions_hold_for_names_too(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network = await stepped(engine, 1)
            await engine.create_checkpoint(network, "a", None, Guard(frozenset({1})))
            for call in (
                lambda guard: engine.create_checkpoint(network, "b", 0, guard),
                lambda guard: engine.delete_checkpoint(network, "a", guard),
                lambda guard: engine.restore(network, "a", guard),
            ):
                with pytest.raises(StalePrecondition):
                    await call(Guard(frozenset({0})))
            with pytest.raises(AlreadyExists):
                await engine.create_checkpoint(network, "a", 0, Guard())
            await engine.delete_checkpoint(network, "a", Guard(frozenset({1})))
            assert list(await engine.checkpoints(network)) == []

        async def strict(engine: Engine) -> None:
            network = await create(engine)
            with pytest.raises(PreconditionRequired):
                await engine.create_checkpoint(network, "a", None, Guard())
            await engine.create_checkpoint(network, "a", None, Guard("*"))
            with pytest.raises(PreconditionRequired):
                await engine.delete_checkpoint(network, "a", Guard())
            with pytest.raises(PreconditionRequired):
                await engine.restore(network, "a", Guard())

        check(body)
        check(strict, require_if_match=True)

    def test_a_retry_gets_the_first_answer_though_the_checkpoint_has_gone(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network, name, back = await stepped(engine, 1), Guard(None, "name", "f"), Guard(None, "back", "f")
            named = await engine.create_checkpoint(network, "a", None, name)
            restored = await engine.restore(network, "a", back)
            await engine.delete_checkpoint(network, "a", Guard())
            assert await engine.create_checkpoint(network, "a", None, name) == replace(named, replayed=True)
            assert await engine.restore(network, "a", back) == replace(restored, replayed=True)
            assert list(await engine.checkpoints(network)) == []
            assert (await engine.record(network)).version == 2
            with pytest.raises(IdempotencyMismatch):
                await engine.restore(network, "a", Guard(None, "name", "other"))

        check(body)

    def test_what_is_unknown_or_gone(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network = await stepped(engine, 4)
            for call in (
                lambda: engine.restore(network, "x", Guard()),
                lambda: engine.restore("net_no", "x", Guard()),
                lambda: engine.checkpoint(network, "x"),
                lambda: engine.checkpoints("net_no"),
                lambda: engine.stored_bytes("net_no"),
                lambda: engine.delete_checkpoint(network, "x", Guard()),
                lambda: engine.create_checkpoint(network, "x", 5, Guard()),
                lambda: engine.create_checkpoint("net_no", "x", None, Guard()),
                lambda: engine.fork(network, 5, renamed(), Guard()),
                lambda: engine.fork("net_no", None, renamed(), Guard()),
            ):
                with pytest.raises(NotFound):
                    await call()
            for call in (
                lambda: engine.create_checkpoint(network, "x", 1, Guard()),
                lambda: engine.fork(network, 1, renamed(), Guard()),
            ):
                with pytest.raises(Gone):
                    await call()
            assert (await engine.record(network)).version == 4

        check(body, keep_versions=2)

    def test_a_fork_starts_where_its_source_is_and_goes_its_own_way(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network = await stepped(engine, 3)
            forks = [await engine.fork(network, version, renamed("f"), Guard()) for version in (None, 3, 1, 0)]
            for fork, version in zip(forks, (3, 3, 1, 0), strict=True):
                assert (fork.version, fork.status, fork.body["version"]) == (0, 201, 0)
                copy = await engine.snapshot(fork.body["id"])
                assert numbers(copy) == numbers(await engine.at_version(network, version))
                assert (copy.version, copy.record.name, copy.architecture.parameter_count) == (0, "f", SIZE)
                made = (await engine.versions(copy.record.id, 9))[0]
                assert (made.version, made.made_by) == (0, "fork")
                assert made.summary == {"source": {"network": network, "version": version}}
            await engine.delete(network, Guard())
            for fork in forks:
                assert (await engine.write(fork.body["id"], plus_one, Guard(), SMALL)).version == 1
            assert (await engine.snapshot(forks[2].body["id"])).parameters.vector[0] == 2

        check(body)

    def test_a_fork_with_a_key_happens_once_though_its_source_has_gone(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network, guard = await stepped(engine, 1), Guard(None, "k", "f")
            first = await engine.fork(network, None, renamed(), guard)
            await engine.delete(network, Guard())
            assert await engine.fork(network, None, renamed(), guard) == replace(first, replayed=True)
            assert [record.id for record in (await engine.networks(9))[0]] == [first.body["id"]]

        check(body)
