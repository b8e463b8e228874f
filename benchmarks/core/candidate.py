"""One variant of one engine in its process: how long its bursts are, how it is timed, and what was found.

Invariant: times are microseconds an operation; for the long run, an epoch.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.core.engines.registry import Spec
from benchmarks.core.process import Process, Resources

__all__ = ["SLOW", "Candidate", "Plan", "Timing"]

SLOW = 0.2
"""Seconds. Operations that take longer are timed one by one, and their variants compared in two turns."""


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    rounds: int = 21
    burst_seconds: float = 0.03
    budget_seconds: float = 8.0
    """An engine that has used this up sits out the rest of the rounds, once it has had `least`."""
    least: int = 5
    calibration_rounds: int = 5
    clock: str = "wall"
    """`wall`, or `cpu`: the processor time of all the engine's threads, for a look on a machine that is busy with other things."""
    near: float = 1.1
    """Variants up to this factor slower than the best, in calibration, go on to the rounds."""


@dataclass
class Timing:
    """What was found for one engine: microseconds an operation, burst by burst, of its fastest variant."""

    engine: str
    variant: str = ""
    note: str = ""
    error: float | None = None
    unit: str = "operation"
    bursts: list[float] = field(default_factory=list)
    not_run: str | None = None
    others: dict[str, float] = field(default_factory=dict)
    """Medians of the variants that were slower (of those dropped early: the best of the calibration)."""

    @property
    def median(self) -> float | None:
        """Microseconds an operation."""
        return statistics.median(self.bursts) if self.bursts else None


class Candidate:
    """One variant of one engine, in its process."""

    def __init__(self, spec: Spec, variant: str, python: Path, resources: Resources, clock: str) -> None:
        self.spec, self.variant, self.clock = spec, variant, clock
        self.process = Process(f"{spec.name} {variant}".strip(), python, resources)
        self.timing = Timing(spec.name, variant)
        self.share, self.count, self.spent = 1.0, 1, 0.0
        self.is_slow = False

    def calibrate(self, burst_seconds: float) -> None:
        """Find how many operations fill a burst; the check has told already where one alone does."""
        if self.is_slow:
            return
        single = min(self.process.ask("burst", count=1, warm=True)["wall"] for _ in range(2))
        rough = max(1, round(burst_seconds / 10 / single))
        each = self.process.ask("burst", count=rough, warm=False)["wall"] / rough
        self.count = max(1, round(burst_seconds / each))

    def burst(self) -> float:
        """Microseconds an operation, in one burst; caches are warmed first where an operation is short."""
        taken = self.process.ask("burst", count=self.count, warm=self.count > 2)
        self.spent += taken["wall"]
        return float(taken[self.clock]) / self.count / self.share * 1e6
