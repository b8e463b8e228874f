"""Turns: networks one after another, jobs in order, one write of a network at a time; held to a plain model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.jobs.fair import Fair


def drained(fair: Fair) -> list[str]:
    found = []
    while (job := fair.take()) is not None:
        found.append(job)
    return found


def test_networks_take_turns() -> None:
    fair = Fair()
    for job in ("a1", "a2", "a3", "b1", "c1", "b2"):
        fair.put(job, job[0], writes=False)
    assert drained(fair) == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert (len(fair), fair.take()) == (0, None)


def test_writes_go_one_at_a_time_and_reads_pass_them_by() -> None:
    fair = Fair()
    for job, writes in (("w1", True), ("r1", False), ("w2", True), ("r2", False)):
        fair.put(job, "n", writes=writes)
    assert drained(fair) == ["w1", "r1", "r2"]
    assert (len(fair), fair.of("n"), fair.of("m")) == (1, 1, 0)
    fair.ended("r1", "n")
    assert fair.take() is None
    fair.ended("w1", "n")
    assert fair.take() == "w2"


def test_what_is_taken_out_is_not_taken() -> None:
    fair = Fair()
    for job in ("w1", "w2", "w3"):
        fair.put(job, "n", writes=True)
    assert fair.remove("w2", "n")
    assert not fair.remove("w2", "n")
    assert not fair.remove("w1", "m")
    assert fair.take() == "w1"
    assert not fair.remove("w1", "n")
    fair.ended("w1", "n")
    assert fair.take() == "w3"


@given(st.lists(st.one_of(st.tuples(st.sampled_from("abc"), st.booleans()), st.integers(0, 30))))
def test_any_course_of_events(course: list[tuple[str, bool] | int]) -> None:
    """A tuple is a job that comes; a number ends one of those that run, or takes one out that waits, or takes the next."""
    fair, waiting, running = Fair(), [], []
    for number, event in enumerate(course):
        if isinstance(event, tuple):
            job = (f"{number}", *event)
            fair.put(job[0], job[1], writes=job[2])
            waiting.append(job)
        elif event % 3 == 0 and running:
            done = running.pop(event % len(running))
            fair.ended(done[0], done[1])
        elif event % 3 == 1 and waiting:
            gone = waiting.pop(event % len(waiting))
            assert fair.remove(gone[0], gone[1])
        else:
            writing = {job[1] for job in running if job[2]}
            may = [job for job in waiting if not (job[2] and job[1] in writing)]
            taken = fair.take()
            assert (taken is None) == (not may)
            if taken is not None:
                job = next(job for job in may if job[0] == taken)
                # In its network and of its sort it was the first, and no older one of its network could go.
                assert job == next(other for other in may if other[1] == job[1])
                waiting.remove(job)
                running.append(job)
        assert len(fair) == len(waiting)
