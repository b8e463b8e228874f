"""Whoever holds the number of threads keeps it; nobody who merely prefers another one waits for that."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from core.plans import threads
from core.plans.threads import long_pass, steady, use_threads


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    use_threads(1)
    yield
    use_threads(1)


def now() -> int:
    return threads._pool()._count


def test_a_preference_does_not_change_what_is_held() -> None:
    with steady(2):
        use_threads(1)
        assert now() == 2
        with steady(2):
            use_threads(3)
            assert now() == 2
        use_threads(1)
        assert now() == 2
    use_threads(1)
    assert now() == 1


def test_blocks_of_one_number_run_together_and_those_of_another_wait_in_order() -> None:
    told: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def hold(name: str, count: int, *, first: bool = False) -> threading.Thread:
        def run() -> None:
            with steady(count):
                assert now() == count
                told.append(name)
                if first:
                    begun.set()
                    assert go.wait(20)
                time.sleep(0.01)
                assert now() == count

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    running = [hold("one", 1, first=True)]
    assert begun.wait(20)
    with steady(1):
        told.append("with it")
    running.append(hold("two", 2))
    while not threads._pool()._order.locked():
        time.sleep(0.001)
    running.append(hold("one after two", 1))  # though the number is right, two was here before
    time.sleep(0.05)
    assert told == ["one", "with it"]
    go.set()
    for thread in running:
        thread.join(20)
    assert told == ["one", "with it", "two", "one after two"]


def test_a_long_pass_has_all_threads_where_it_is_alone() -> None:
    with long_pass(3):
        assert now() == 3
        with long_pass(3):
            assert now() == 1
        with pytest.raises(ZeroDivisionError), long_pass(3):
            raise ZeroDivisionError
    with steady(2), long_pass(3):
        assert now() == 2
    with long_pass(3):
        assert now() == 3


def test_a_block_that_fails_lets_go() -> None:
    with pytest.raises(ZeroDivisionError), steady(2):
        raise ZeroDivisionError
    use_threads(1)
    assert now() == 1


def test_the_libraries_say_what_they_are() -> None:
    told = threads.libraries()
    assert {"numpy_blas", "scipy_blas"} <= told.keys()
    assert all(config.startswith("OpenBLAS") for config in told.values())
