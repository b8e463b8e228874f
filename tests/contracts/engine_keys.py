"""The contract of an engine, part two: a write with an idempotency key is applied exactly once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from service.engine.base import Engine, Guard
from service.errors import (
    IdempotencyMismatch,
    NotFound,
    StalePrecondition,
    StillRunning,
)
from tests.contracts.engine_base import LARGE, SMALL, EngineBase, create, held, plus_one, until


class Keys(EngineBase):
    """First answers and retries."""

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

    def test_a_look_says_what_a_write_would_be_told_and_waits_for_no_turn(self, check: Any) -> None:
        async def body(engine: Engine) -> None:
            network, guard = await create(engine), Guard(frozenset({0}), "k", "f")
            assert await engine.look(network, guard) is None
            with pytest.raises(StalePrecondition):
                await engine.look(network, Guard(frozenset({1})))
            with pytest.raises(NotFound):
                await engine.look("net_unknown", Guard())
            slow = held()
            first = asyncio.create_task(engine.write(network, slow, guard, LARGE))
            await until(slow.begun.is_set)
            assert await engine.look(network, Guard()) is None
            with pytest.raises(StillRunning):
                await engine.look(network, guard)
            slow.go.set()
            made = await first
            assert await engine.look(network, guard) == replace(made, replayed=True)
            with pytest.raises(IdempotencyMismatch):
                await engine.look(network, replace(guard, fingerprint="g"))
            assert (await engine.record(network)).version == 1

        check(body)
