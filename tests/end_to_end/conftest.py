"""A server for the whole session, for tests that leave it whole, and servers of a test's own, for those that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.running import Running

XOR = {
    "inputs": 2,
    "layers": [{"units": 3, "activation": "tanh"}, {"units": 1, "activation": "sigmoid"}],
    "initializer": "gaussian",
    "seed": 1,
    "dtype": "float64",
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def client(server: Running) -> httpx.Client:
    return server.client()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def launch(*flags: str, folder: str = "own") -> Running:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        started.append(Running(place, *flags))
        return started[-1]

    yield launch
    for running in started:
        running.stop()


@pytest.fixture
def create(client: httpx.Client) -> Callable[..., str]:
    """Make a network (2-3-1, float64, seeded, unless told otherwise) and give its path."""

    def create(**changes: Any) -> str:
        response = client.post("/v1/networks", json={**XOR, **changes})
        assert response.status_code == 201, response.text
        return response.headers["location"]

    return create
