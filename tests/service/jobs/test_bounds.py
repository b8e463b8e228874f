"""Bounds on what waits, and what is said of how long."""

from __future__ import annotations

import pytest

from service.errors import Overloaded
from service.jobs.bounds import Bounds, Load


def test_a_job_passes_while_there_is_room() -> None:
    load = Load(Bounds(queue=4, queue_bytes=100))
    for _ in range(3):
        load.admit(30, 1)
        load.enter(30)
    with pytest.raises(Overloaded, match="90 bytes, of 100"):
        load.admit(11, 1)
    load.admit(10, 1)
    load.enter(10)
    with pytest.raises(Overloaded, match="4 jobs"):
        load.admit(0, 1)
    load.leave(30)
    load.admit(30, 1)
    with pytest.raises(Overloaded, match="half"):
        load.admit(0, 2)


def test_one_that_is_larger_than_all_room_passes_alone() -> None:
    load = Load(Bounds(queue_bytes=10))
    load.admit(1000, 0)
    load.enter(1000)
    with pytest.raises(Overloaded):
        load.admit(1, 0)


def test_the_wait_is_what_jobs_took_shared_by_the_workers() -> None:
    load = Load(Bounds(workers=2, queue=1))
    assert load.wait(1) == 1
    load.took(30.0)
    assert (load.wait(1), load.wait(4)) == (15, 60)
    load.took(10.0)
    assert load.wait(2) == 26
    load.enter(1)
    with pytest.raises(Overloaded) as refused:
        load.admit(1, 0)
    assert refused.value.retry_after == 13
    assert load.wait(10**9) == 3600
