"""The plans that are kept: the last ones used, so many and so large."""

from __future__ import annotations

from dataclasses import dataclass

from core.plans.cache import PlanCache


@dataclass(frozen=True)
class Kept:
    batch: int

    @property
    def nbytes(self) -> int:
        return 10 * self.batch


class Compiler:
    def __init__(self, max_plans: int = 3, max_bytes: int = 1000) -> None:
        self.made: list[int] = []
        self.seen: list[int] = []
        self.cache = PlanCache[Kept](10, max_plans, max_bytes)

    def compile(self, batch: int) -> Kept:
        self.made.append(batch)
        self.seen.append(self.cache.nbytes + 10 * batch)
        return Kept(batch)

    def get(self, batch: int) -> Kept:
        return self.cache.get(batch, self.compile)

    @property
    def kept(self) -> set[int]:
        return {plan.batch for plan in self.cache.values()}


def test_the_least_recently_used_leaves() -> None:
    compiler = Compiler()
    for batch in (1, 2, 3, 1, 4, 1, 2):
        assert compiler.get(batch).batch == batch
    assert compiler.made == [1, 2, 3, 4, 2]
    assert compiler.kept == {1, 4, 2}


def test_bytes_are_given_up_before_more_are_taken() -> None:
    compiler = Compiler(max_plans=100)
    for batch in (50, 30, 20, 10, 60, 5):
        compiler.get(batch)
    assert max(compiler.seen) <= 1000
    assert compiler.kept == {20, 10, 60, 5}
    assert compiler.cache.nbytes == 950


def test_one_that_is_too_large_is_kept_alone() -> None:
    compiler = Compiler()
    for batch in (1, 2, 500, 500, 3):
        compiler.get(batch)
    assert compiler.made == [1, 2, 500, 3]
    assert compiler.kept == {3}
