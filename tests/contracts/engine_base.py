"""How a test of the engine contract opens its engine, and changes whose outcome is plain to see."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.network import Parameters
from core.optimizers import OptimizerState
from service.engine.base import Change, Engine, Guard, Snapshot
from service.engine.states import architecture_of
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


class EngineBase(ABC):
    """Subclass it and say how an engine is opened on a folder."""

    @abstractmethod
    def open(self, folder: Path, **options: Any) -> Engine: ...

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
