"""The use cases on a real engine over a real store, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidBatch
from core.network import Architecture, Layer
from core.optimizers import make_options
from service import bootstrap, operations
from service.engine.base import Guard
from service.errors import NotFound, Overloaded, TooLarge
from service.metrics import Metrics
from service.settings import Settings

ARCHITECTURE = Architecture(2, (Layer(3, "tanh"), Layer(1, "identity")), "quadratic", "float64")
BATCH = (np.array([[0.0, 1.0]]), np.array([[1.0]]))
SGD = make_options("sgd", {"learning_rate": 0.5, "momentum": 0.9})


def run(folder: Path, work: Callable[[operations.Service], Awaitable[None]], **settings: int) -> None:
    """Do some work with a service that is started for it and stopped after it."""

    async def whole() -> None:
        running = await bootstrap.start(Settings(data=folder / "data", **settings), Metrics())
        try:
            await work(running.service)
        finally:
            await bootstrap.stop(running)

    asyncio.run(whole())


async def made(service: operations.Service, seed: int | None = 1) -> str:
    new = operations.NewNetwork("n", ARCHITECTURE, operations.drawn(None, seed))
    return str((await operations.create_network(service, new, Guard())).body["id"])


def test_open_choices_are_made_and_told(tmp_path: Path) -> None:
    async def work(service: operations.Service) -> None:
        first, second = [await operations.get_network(service, await made(service, None)) for _ in range(2)]
        assert first["initializer"] == "scaled_gaussian"
        assert 0 <= first["seed"] < 2**53
        assert first["seed"] != second["seed"]
        assert first["parameter_count"] == 13

    run(tmp_path, work)


def test_parameters_of_other_shapes_are_placed_where_they_stood(tmp_path: Path) -> None:
    layers = [(np.ones((3, 2)), np.ones(3)), (np.ones((1, 2)), np.ones(1))]

    async def work(service: operations.Service) -> None:
        given = operations.NewNetwork(None, ARCHITECTURE, operations.Given(layers, None))
        with pytest.raises(InvalidBatch) as caught:
            await operations.create_network(service, given, Guard())
        assert caught.value.path == ("parameters", 1, "weights")
        snapshot = await service.engine.snapshot(await made(service))
        with pytest.raises(InvalidBatch) as caught:
            await operations.put_parameters(service, snapshot, layers, Guard())
        assert caught.value.path == ("layers", 1, "weights")
        with pytest.raises(InvalidBatch) as caught:
            await operations.put_parameters(service, snapshot, layers[:1], Guard())
        assert caught.value.path == ("layers",)

    run(tmp_path, work)


def test_a_step_that_cannot_be_is_refused_before_its_turn(tmp_path: Path) -> None:
    async def work(service: operations.Service) -> None:
        snapshot = await service.engine.snapshot(await made(service))
        engine = service.engine

        async def never(*_arguments: object) -> None:
            raise AssertionError("the write was tried")

        engine.write = never
        for x, y in (
            (np.ones((1, 3)), np.ones((1, 1))),
            (np.ones((1, 2)), np.ones((2, 1))),
            (np.ones((1, 2)), np.array([0])),
        ):
            with pytest.raises(InvalidBatch):
                await operations.sgd_step(service, snapshot, (x, y), SGD, Guard())
        with pytest.raises(TooLarge):
            await operations.sgd_step(service, snapshot, (np.ones((9, 2)), np.ones((9, 1))), SGD, Guard())

    run(tmp_path, work, max_batch_rows=8)


def test_a_step_works_on_the_version_that_is_current_by_then(tmp_path: Path) -> None:
    async def work(service: operations.Service) -> None:
        one, two = [await service.engine.snapshot(await made(service)) for _ in range(2)]
        for snapshot in (one, one, one):  # the snapshot gets old
            applied = await operations.sgd_step(service, snapshot, BATCH, SGD, Guard())
        assert applied.version == 3
        for _ in range(3):
            two = await service.engine.snapshot(two.record.id)
            await operations.sgd_step(service, two, BATCH, SGD, Guard())
        ends = [(await operations.find_parameters(service, at.record.id, None)).parameters.vector for at in (one, two)]
        np.testing.assert_array_equal(*ends)

    run(tmp_path, work)


def test_pages_end_where_there_is_no_more(tmp_path: Path) -> None:
    async def work(service: operations.Service) -> None:
        network = await made(service)
        snapshot = await service.engine.snapshot(network)
        for _ in range(3):
            await operations.sgd_step(service, snapshot, BATCH, SGD, Guard())
        page = await operations.list_versions(service, network, 4, None)
        assert ([one["version"] for one in page["versions"]], page["next"]) == ([3, 2, 1, 0], None)
        page = await operations.list_versions(service, network, 3, None)
        assert ([one["version"] for one in page["versions"]], page["next"]) == ([3, 2, 1], 1)
        assert "cost" in page["versions"][0]
        page = await operations.list_versions(service, network, 3, 1)
        assert page["versions"][0].keys() == {
            "version",
            "made_by",
            "created_at",
            "retained",
            "stored_bytes",
            "checkpoints",
        }
        assert page["next"] is None
        with pytest.raises(NotFound):
            await operations.list_versions(service, "net_none", 3, None)

    run(tmp_path, work)


def test_a_store_that_does_not_write_in_time_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.operations.about._PATIENCE", 0.05)

    async def work(service: operations.Service) -> None:
        await operations.require_ready(service)

        async def stuck() -> None:
            await asyncio.sleep(30)

        service.engine.ready = stuck
        with pytest.raises(Overloaded):
            await operations.require_ready(service)

    run(tmp_path, work)
