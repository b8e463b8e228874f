"""One owner's view keeps the contract of an engine, and shows nothing of anybody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.network import Parameters
from service.engine.base import Applied, Engine, Guard, Snapshot
from service.engine.local import LocalEngine
from service.engine.owned import OwnedEngine
from service.engine.states import architecture_of
from service.errors import NotFound, TooLarge
from service.storage.base import NetworkRecord, timestamp
from tests.contracts.drawings import SIZE, SPEC, identity
from tests.contracts.engine import EngineContract
from tests.contracts.engine_base import SMALL, create, plus_one
from tests.service.engine.test_local import engine_on


class _ClosedWithItsView(OwnedEngine):
    def __init__(self, engine: LocalEngine, owner: str) -> None:
        super().__init__(engine, owner)
        self._whole = engine

    async def close(self) -> None:
        await self._whole.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


class TestOneOwner(EngineContract):
    def open(self, folder: Path, **options: Any) -> Engine:
        return _ClosedWithItsView(engine_on(folder, **options)[0], "me")


def with_views(folder: Path, body: Callable[[LocalEngine, OwnedEngine, OwnedEngine], Awaitable[None]]) -> None:
    async def whole() -> None:
        engine, _ = engine_on(folder)
        await body(engine, OwnedEngine(engine, "me"), OwnedEngine(engine, "you"))
        await engine.close()

    asyncio.run(whole())


def test_what_is_anothers_is_not_there(tmp_path: Path) -> None:
    def forked(source: Snapshot) -> tuple[NetworkRecord, dict[str, Any]]:
        return replace(source.record, id=identity(), version=0), {}

    async def body(engine: LocalEngine, mine: OwnedEngine, yours: OwnedEngine) -> None:
        network = await create(mine)
        await mine.write(network, plus_one, Guard(), SMALL)
        await mine.create_checkpoint(network, "kept", None, Guard())
        stale = Guard(frozenset({0}), "k", "f")
        calls: list[Callable[[Engine], Awaitable[object]]] = [
            lambda view: view.snapshot(network),
            lambda view: view.at_version(network, 0),
            lambda view: view.write(network, plus_one, stale, SMALL),
            lambda view: view.look(network, stale),
            lambda view: view.restore(network, "kept", stale),
            lambda view: view.create_checkpoint(network, "other", None, stale),
            lambda view: view.delete_checkpoint(network, "kept", stale),
            lambda view: view.checkpoint(network, "kept"),
            lambda view: view.checkpoints(network),
            lambda view: view.stored_bytes(network),
            lambda view: view.rename(network, "x", stale),
            lambda view: view.delete(network, stale),
            lambda view: view.record(network),
            lambda view: view.versions(network, 9),
            lambda view: view.fork(network, None, forked, Guard()),
            lambda view: view.fork(network, 0, forked, Guard()),
        ]
        for call in calls:
            with pytest.raises(NotFound) as refused:
                await call(yours)
            assert refused.value.detail == f"there is no network {network}"
        assert (await mine.snapshot(network)).version == 1
        assert [record.id for record in (await mine.networks(9))[0]] == [network]
        assert not (await yours.networks(9))[0]
        assert not (await yours.networks(9, owner="me"))[0]
        assert (await engine.record(network)).owner == "me"

    with_views(tmp_path, body)


def test_every_call_that_names_a_network_is_in_the_list_above() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for name in vars(Engine):
        if not name.startswith("_") and "network" in getattr(getattr(Engine, name), "__annotations__", {}):
            assert f"view.{name}(" in source or name == "compute", name


async def _make(engine: Engine, owner: str, most: int | None, key: str | None = None) -> Applied:
    now, architecture = timestamp(), architecture_of(SPEC)
    record = NetworkRecord(identity(), None, SPEC, 0, now, now, owner)
    parameters = Parameters(architecture, engine.backend.asarray(np.arange(SIZE, dtype="float64")))
    return await engine.create(record, parameters, {"id": record.id}, Guard(None, key, "f", owner, most))


def test_an_owner_has_as_many_networks_as_it_may(tmp_path: Path) -> None:
    async def body(engine: LocalEngine, _mine: OwnedEngine, _yours: OwnedEngine) -> None:
        await _make(engine, "me", None)
        outcomes = await asyncio.gather(
            *(_make(engine, "me", 4, f"k{number}") for number in range(9)), return_exceptions=True
        )
        made = [outcome for outcome in outcomes if isinstance(outcome, Applied)]
        assert len(made) == 3
        refused = [outcome for outcome in outcomes if not isinstance(outcome, Applied)]
        assert all(isinstance(one, TooLarge) and one.figures == {"asked": 5, "limit": 4} for one in refused)
        await _make(engine, "you", 1)
        # A retry, though there is no more room; then room again.
        assert (await _make(engine, "me", 4, f"k{outcomes.index(made[0])}")).replayed
        await engine.delete(str(made[0].body["id"]), Guard())
        await _make(engine, "me", 4)
        with pytest.raises(TooLarge):
            await _make(engine, "me", 4)

    with_views(tmp_path, body)
