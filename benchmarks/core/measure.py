"""The orchestrator: engines checked against the reference, then timed in interleaved bursts, one computing at a time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.candidate import SLOW, Candidate, Plan, Timing
from benchmarks.core.cases import Case, Problem
from benchmarks.core.engines.registry import Spec
from benchmarks.core.process import Resources
from benchmarks.core.reference import TOLERANCE, Disagreement, disagreement, expected

__all__ = ["measure"]

SETTLE = 0.3
"""Seconds between two engines that have more threads than one: the former's spin for up to 0.2 before they sleep."""


@dataclass(frozen=True)
class Setting:
    """What all engines of one comparison share."""

    problem: Problem
    folder: Path
    operation: str
    dtype: str
    resources: Resources
    options: Mapping[str, str]

    @property
    def case(self) -> Case:
        """The case of the problem."""
        return self.problem.case


def measure(
    problem: Problem,
    operation: str,
    dtype: str,
    resources: Resources,
    specs: Sequence[Spec],
    pythons: Mapping[str, Path],
    plan: Plan,
    options: Mapping[str, str],
) -> list[Timing]:
    """Check and time one operation of one case on every engine.

    Raises:
        Disagreement: an engine arrived at something else than the reference.
        Failure: an engine's process died.
    """
    found = {spec.name: Timing(spec.name, not_run=spec.refusal(problem.case, operation)) for spec in specs}
    asked = [spec for spec in specs if found[spec.name].not_run is None]
    candidates: list[Candidate] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        setting = Setting(problem, Path(name), operation, dtype, resources, options)
        write(setting)
        try:
            for spec in asked:
                python = pythons[spec.home]
                candidates += [
                    Candidate(spec, variant, python, resources, plan.clock) for variant in spec.variants_of(operation)
                ]
            ready = _open(setting, candidates, found)
            _check(setting, ready)
            _time(ready, plan, SETTLE if resources.threads > 1 else 0.0, found)
        finally:
            for candidate in candidates:
                candidate.process.close()
    return list(found.values())


def write(setting: Setting) -> None:
    """The numbers, as files that every worker reads."""
    arrays: dict[str, Any] = {"vector": setting.problem.vector}
    for name in ("x", "y", "labels"):
        arrays[name] = np.stack([getattr(batch, name) for batch in setting.problem.batches])
    for name, array in arrays.items():
        np.save(setting.folder / f"{name}.npy", array)


def _open(setting: Setting, candidates: list[Candidate], found: dict[str, Timing]) -> list[Candidate]:
    """Start all engines at once; those that cannot run here say why."""
    for each in candidates:
        each.process.send(
            "open",
            problem=str(setting.folder),
            case=setting.case.name,
            operation=setting.operation,
            dtype=setting.dtype,
            threads=setting.resources.threads,
            module=each.spec.module,
            variant=each.variant,
            options=dict(setting.options),
        )
    ready, reasons = [], {}
    for each in candidates:
        answer = each.process.receive()
        if "unavailable" in answer:
            reasons[each.spec.name] = answer["unavailable"]
            continue
        each.timing.note, each.share = answer["note"], answer["share"]
        ready.append(each)
    for name in {spec.spec.name for spec in candidates} - {each.spec.name for each in ready}:
        found[name].not_run = reasons[name]
    return ready


def _check(setting: Setting, candidates: list[Candidate]) -> None:
    """Hold what each engine arrives at to the reference."""
    wanted: dict[float, Any] = {}
    for each in candidates:
        runs = 1 if setting.operation == "epochs" else setting.case.check_steps
        each.is_slow = each.process.ask("burst", count=runs, warm=False)["wall"] / runs > SLOW
        if each.spec.name == "limit":
            continue  # it is no network: it has checked its products itself, against NumPy
        if each.share not in wanted:
            batches = _batches(setting, runs, each.share)
            wanted[each.share] = expected(setting.case, setting.operation, setting.problem.vector, batches)
        path = setting.folder / "result.npy"
        each.process.ask("result", to=str(path))
        found, right = np.load(path), wanted[each.share]
        error = disagreement(setting.case, setting.operation, setting.problem.vector, found, right)
        each.timing.error = error
        if not error <= TOLERANCE[setting.dtype]:
            raise Disagreement(
                f"{each.process.name} does not do what the others do: case {setting.case.name}, {setting.operation}, "
                f"{setting.dtype}: relative error {error:.2g}, more than {TOLERANCE[setting.dtype]:g}"
            )


def _batches(setting: Setting, runs: int, share: float) -> list[Any]:
    """The batches that an engine has gone through, in order."""
    from benchmarks.core.long_run import epoch  # noqa: PLC0415 - it builds on this module

    batches = setting.problem.batches
    if setting.operation == "epochs":
        return epoch(setting.case, batches[0], share)
    return [batches[index % len(batches)] for index in range(runs)]


def _time(candidates: list[Candidate], plan: Plan, settle: float, found: dict[str, Timing]) -> None:
    """Bursts in turns: first few and short, to find the variants that matter, then the ones that count."""
    for each in candidates:
        each.calibrate(plan.burst_seconds)
    trials = _trials(candidates, plan.calibration_rounds, settle)
    best: dict[str, float] = {}
    for each, trial in trials.items():
        best[each.spec.name] = min(trial, best.get(each.spec.name, trial))
    racing = [each for each in candidates if each not in trials or trials[each] <= plan.near * best[each.spec.name]]
    for each in set(candidates) - set(racing):
        each.process.close()
    for turn in range(plan.rounds):
        for each in racing:
            if turn < plan.least or each.spent < plan.budget_seconds:
                time.sleep(settle)
                each.timing.bursts.append(each.burst())
    _choose(racing, trials, found)


def _trials(candidates: list[Candidate], rounds: int, settle: float) -> dict[Candidate, float]:
    """The best of a few bursts, in turns, of the engines that have more than one variant."""
    names = [each.spec.name for each in candidates]
    contested = [each for each in candidates if names.count(each.spec.name) > 1]
    best = dict.fromkeys(contested, float("inf"))
    for turn in range(rounds):
        for each in contested:
            if turn > 1 and each.is_slow:
                continue
            time.sleep(settle)
            best[each] = min(best[each], each.burst())
    for each in contested:
        each.spent = 0.0
    return best


def _choose(racing: list[Candidate], trials: dict[Candidate, float], found: dict[str, Timing]) -> None:
    """Of each engine the variant with the smallest median; the others' medians beside it."""
    for name in {each.spec.name for each in racing}:
        mine = sorted((each for each in racing if each.spec.name == name), key=lambda each: each.timing.median or 0.0)
        winner = mine[0].timing
        medians = {each.variant: trial for each, trial in trials.items() if each.spec.name == name}
        medians |= {each.variant: each.timing.median or 0.0 for each in mine}
        winner.others = {variant: value for variant, value in medians.items() if variant != winner.variant}
        found[name] = winner
