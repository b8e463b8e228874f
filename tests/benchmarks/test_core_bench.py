"""The harness: whatever is timed has been checked, and an engine with wrong weights is not timed."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.core import long_run, report
from benchmarks.core.__main__ import as_json
from benchmarks.core.candidate import Plan, Timing
from benchmarks.core.cases import CASES, Case, draw, join, split
from benchmarks.core.engines.registry import ENGINES, Spec
from benchmarks.core.measure import measure
from benchmarks.core.process import Failure, Resources
from benchmarks.core.reference import TOLERANCE, Disagreement, expected, forward
from benchmarks.document import fill

pytestmark = pytest.mark.slow

QUICK = Plan(rounds=3, burst_seconds=0.002, least=2, calibration_rounds=1)
OURS = [ENGINES[name] for name in ("gradwire", "plain", "loop")]
WRONG = Spec("wrong", "tests.benchmarks.wrong_engine", "product")


def timed(specs: list[Spec], case: str, what: str, dtype: str) -> list[Timing]:
    pythons = {"product": Path(sys.executable)}
    return measure(draw(CASES[case], dtype), what, dtype, Resources.of(1, is_pinned=False), specs, pythons, QUICK, {})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("case", "what"), [("a", "step"), ("b", "step"), ("f", "step"), ("b", "backprop"), ("b", "forward")]
)
def test_engines_agree_with_the_reference_and_are_timed(case: str, what: str, dtype: str) -> None:
    timings = timed(OURS, case, what, dtype)
    assert [timing.engine for timing in timings] == ["gradwire", "plain", "loop"]
    for timing in timings:
        assert timing.not_run is None
        assert timing.error is not None
        assert timing.error < TOLERANCE[dtype]
        assert len(timing.bursts) == QUICK.rounds
        assert timing.median is not None
        assert timing.median > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_engine_with_wrong_weights_is_an_error(dtype: str) -> None:
    with pytest.raises(Disagreement, match=r"wrong does not do what the others do.*relative error 0\.01"):
        timed([ENGINES["loop"], WRONG], "a", "step", dtype)


def test_an_engine_that_dies_says_why() -> None:
    missing = Spec("broken", "tests.benchmarks.wrong_engine", "product", {"step": ("",)})
    case = dataclasses.replace(CASES["a"], name="no such case")
    problem = dataclasses.replace(draw(CASES["a"], "float32"), case=case)
    python = {"product": Path(sys.executable)}
    with pytest.raises(Failure, match=r"broken ended with status 1:[\s\S]*KeyError: 'no such case'"):
        measure(problem, "step", "float32", Resources.of(1, is_pinned=False), [missing], python, QUICK, {})


def test_an_engine_that_is_not_installed_is_reported_as_not_run() -> None:
    spec = Spec("absent", "benchmarks.core.engines.no_such_module", "product")
    (timing,) = timed([spec], "a", "step", "float32")
    assert timing.not_run is not None
    assert "no_such_module" in timing.not_run
    assert timing.median is None


def test_the_long_run_is_checked_too() -> None:
    problem = long_run.problem("float32", None, examples=1000)
    specs = [ENGINES["gradwire"], ENGINES["loop"]]
    pythons = {"product": Path(sys.executable)}
    timings = measure(problem, "epochs", "float32", Resources.of(1, is_pinned=False), specs, pythons, QUICK, {})
    assert all(timing.median and timing.error is not None and timing.error < TOLERANCE["float32"] for timing in timings)


@pytest.mark.parametrize("name", ["a", "b", "f"])
def test_the_reference_descends_along_finite_differences(name: str) -> None:
    """The yardstick itself, held to the definition of a derivative."""
    problem = draw(CASES[name], "float64")
    case, vector, batch = problem.case, problem.vector, problem.batches[0]
    gradient = expected(case, "backprop", vector, [batch])
    direction = np.random.default_rng(0).standard_normal(vector.size)
    step = 1e-6 / np.linalg.norm(direction)
    up, down = (mean_cost(case, vector + sign * step * direction, batch.x, batch.y) for sign in (1, -1))
    assert (up - down) / (2 * step) == pytest.approx(gradient @ direction, rel=1e-5)


def mean_cost(case: Case, vector: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    a = forward(case, split(case, vector), x)[-1]
    each = 0.5 * (a - y) ** 2 if case.cost == "quadratic" else -y * np.log(a)
    return float(each.sum() / len(x))


def test_split_and_join_are_inverse() -> None:
    problem = draw(CASES["b"], "float32")
    assert np.array_equal(join(split(problem.case, problem.vector)), problem.vector)


def record(gradwire: float, limit: float, torch: float) -> dict[str, object]:
    medians = {"limit": limit, "gradwire": gradwire, "torch": torch}
    timings = [as_json(Timing(name, bursts=[value])) for name, value in medians.items()]
    return {"case": "a", "operation": "step", "dtype": "float32", "threads": 1, "timings": timings}


def test_ratios_and_goals() -> None:
    fast, slow = record(10.0, 8.0, 200.0), record(20.0, 8.0, 100.0)
    assert report.ratios(fast) == {"limit": 1.25, "torch": 20.0}
    assert report.missed(fast) == []
    assert report.missed(slow) == ["a: time / limit is 2.50, the goal 1.9", "a: torch / gradwire is 5.00, the goal 11"]


def test_the_document_is_filled_between_its_markers(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    results = {
        "date": "2000-01-01",
        "machine": {"processor": "p", "processors": 2, "memory_gb": 1, "system": "s"},
        "versions": {"product": {"numpy": "2"}},
        "records": [record(10.0, 8.0, 200.0)],
    }
    fill(document, "core", report.markdown(results))
    fill(document, "core", report.markdown(results))
    content = document.read_text()
    assert content.startswith(f"before\n{report.BEGIN}\n")
    assert content.endswith(f"{report.END}\nafter\n")
    assert "| a | 8 | 10 | 200 (20.00) | 1.25 |" in content
    assert "old" not in content
    document.write_text("no markers")
    with pytest.raises(ValueError, match="needs the lines"):
        fill(document, "core", report.markdown(results))
