"""Many at once: of those that replace one version one wins, and what comes under one key from everywhere is applied once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from service.errors import ServiceError, StalePrecondition
from service.storage.base import NetworkState
from tests.contracts import stores
from tests.contracts.drawings import create, made, receipt, same, state
from tests.faults.server import Server
from tests.faults.training import request, spec

pytestmark = pytest.mark.slow

THREADS = 32

T = TypeVar("T")


@pytest.fixture
def server(place: Path) -> Iterator[Server]:
    running = Server(place, None)
    yield running
    running.stop()


def together(rounds: int, attempt: Callable[[int, int], T]) -> list[list[T]]:
    """What `attempt(thread, round)` gave to each of the threads, which begin every round at the same moment."""
    start = threading.Barrier(THREADS)

    def one(thread: int) -> list[T]:
        try:
            answers = []
            for number in range(rounds):
                start.wait(60)
                answers.append(attempt(thread, number))
        except BaseException:
            start.abort()
            raise
        return answers

    with ThreadPoolExecutor(THREADS) as pool:
        return [list(answers) for answers in zip(*pool.map(one, range(THREADS)), strict=True)]


@contextmanager
def clients(server: Server) -> Iterator[list[httpx.Client]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(httpx.Client(base_url=server.url, trust_env=False, timeout=60, verify=False))
            for _ in range(THREADS)
        ]


def drawn(thread: int, version: int) -> NetworkState:
    return state(version * THREADS + thread)


@pytest.mark.parametrize("name", ["inline", "slots"])
def test_a_version_has_one_winner_in_the_store(place: Path, name: str, full: bool) -> None:
    store = getattr(stores, name)(place)
    network, rounds = create(store), 1000 if full else 50

    def attempt(thread: int, number: int) -> ServiceError | None:
        kept = receipt(network, f"{number}-{thread}", number + 1)
        return store.commit_version(network, number, drawn(thread, number + 1), made(number + 1), kept).exception(60)

    for number, outcomes in enumerate(together(rounds, attempt)):
        assert Counter(map(type, outcomes)) == {type(None): 1, StalePrecondition: THREADS - 1}, number
        found = [thread for thread in range(THREADS) if store.receipt(network, f"{number}-{thread}")]
        assert found == [outcomes.index(None)]
        if number >= rounds - 50:
            assert same(store.state(network, number + 1), drawn(found[0], number + 1))
    store.close()
    print(f"{name}: {rounds} versions, {rounds * (THREADS - 1)} refused")


def test_a_version_has_one_winner_over_http(server: Server, full: bool) -> None:
    rounds = 1000 if full else 20
    with clients(server) as each:
        path = each[0].post("/v1/networks", json=spec(0)).headers["location"]

        def attempt(thread: int, number: int) -> httpx.Response:
            headers = {"if-match": f'"{number}"', "idempotency-key": f"{number}-{thread}"}
            return each[thread].post(f"{path}/sgd-step", json=request(thread, 0), headers=headers)

        for number, answers in enumerate(together(rounds, attempt)):
            assert Counter(answer.status_code for answer in answers) == {200: 1, 412: THREADS - 1}
            assert {answer.headers["etag"] for answer in answers} == {f'"{number + 1}"'}
        assert each[0].get(path).json()["version"] == rounds
    print(f"{rounds} versions, {rounds * (THREADS - 1)} refused")


def test_a_key_is_applied_once(server: Server, full: bool) -> None:
    rounds = 1000 if full else 20
    with clients(server) as each:
        path = each[0].post("/v1/networks", json=spec(0)).headers["location"]

        def step(thread: int, number: int) -> httpx.Response:
            return each[thread].post(
                f"{path}/sgd-step", json=request(number, 0), headers={"idempotency-key": f"step-{number}"}
            )

        def make(thread: int, number: int) -> httpx.Response:
            return each[thread].post("/v1/networks", json=spec(1), headers={"idempotency-key": f"network-{number}"})

        for number, answers in enumerate(together(rounds, step)):
            assert one_answer(answers, 200) == step(0, number).content
            assert httpx.Response(200, content=one_answer(answers, 200)).json()["version"] == number + 1
        for number, answers in enumerate(together(rounds // 20, make)):
            assert one_answer(answers, 201) == make(0, number).content
        assert each[0].get(path).json()["version"] == rounds
        assert len(each[0].get("/v1/networks", params={"limit": 100}).json()["networks"]) == 1 + rounds // 20
    print(f"{rounds} steps and {rounds // 20} networks, each from {THREADS} clients under one key")


def one_answer(answers: list[httpx.Response], status: int) -> bytes:
    """The one body that all got who were not told to ask again."""
    assert {answer.status_code for answer in answers} <= {status, 409}, answers
    bodies = {answer.content for answer in answers if answer.status_code == status}
    assert len(bodies) == 1, bodies
    return bodies.pop()
