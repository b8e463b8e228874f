"""The contract of an engine, part three: many clients, computations that fail, and clients that leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.errors import NonFiniteError
from service.engine.base import Engine, Guard
from tests.contracts.engine_base import LARGE, SMALL, EngineBase, create, held, plus_one, until


class Turns(EngineBase):
    """Order, failure and cancellation."""

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
            async with asyncio.timeout(20):
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
