"""The tests of core notice what they are for: each planted mistake makes them fail, on a copy that passes without it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

PROBE = """
from pathlib import Path

import core


def test_the_copy_is_what_is_tested() -> None:
    assert Path(core.__file__).is_relative_to(Path(__file__).resolve().parents[2])
"""


SHARPEST = ("equations", "costs", "optimizer_changes", "activations")
"""Run first: most mistakes show here at once."""


@dataclass(frozen=True)
class Mutant:
    """One mistake: in `file` of core, `right` becomes `wrong`; the tests selected by `within` must see it."""

    file: str
    right: str
    wrong: str
    within: str = ""


SQUARE = "test_equations and square"
"""Where every matrix is square, so that only a wrong number can tell."""

MUTANTS = {
    "sign of the biases": Mutant("equations.py", "a @ w.T + b", "a @ w.T - b"),
    "sign of the hidden error": Mutant(
        "equations.py", "sigma.pullback(xp, delta_next", "-sigma.pullback(xp, delta_next"
    ),
    "sign in the fused error": Mutant(
        "costs.py", "a * xp.sum(y, axis=1, keepdims=True) - y\n", "y - a * xp.sum(y, axis=1, keepdims=True)\n"
    ),
    "no transpose forward": Mutant("equations.py", "a @ w.T + b", "a @ w + b", SQUARE),
    "no transpose backward": Mutant("equations.py", "delta_next @ w_next", "delta_next @ w_next.T", SQUARE),
    "no transpose of the errors": Mutant("equations.py", "delta.T @ a", "delta @ a", SQUARE),
    "transposed gradient": Mutant("equations.py", "delta.T @ a", "a.T @ delta", SQUARE),
    "elementwise derivative of softmax": Mutant(
        "activations.py", "a * (v - xp.sum(v * a, axis=1, keepdims=True))", "v * a * (1 - a)"
    ),
    "no 1/m in the weights": Mutant("equations.py", "delta.T @ a / delta.shape[0]", "delta.T @ a"),
    "no 1/m in the biases": Mutant(
        "equations.py", "(bias_gradient(delta), axis=0) / delta.shape[0]", "(delta, axis=0)"
    ),
    "no 1/m in the cost": Mutant("backprop.py", "xp.sum(costs) / costs.shape[0]", "xp.sum(costs)"),
    "errors divided by m": Mutant(
        "backprop.py",
        "_head(parameters).error(xp, y, last.z, last.a)]",
        "_head(parameters).error(xp, y, last.z, last.a) / y.shape[0]]",
    ),
    "sigma' of another layer's kind": Mutant(
        "backprop.py", "architecture.layers[index].activation", "architecture.layers[index + 1].activation"
    ),
    "sigma' at another layer's z": Mutant(
        "backprop.py", "at = trace.layers[index]\n", "at = trace.layers[index + 1]\n", SQUARE
    ),
    "weights of another layer": Mutant("backprop.py", "layers[index + 1].weights", "layers[index].weights", SQUARE),
    "slope of relu at 0": Mutant("activations.py", "xp.where(z > 0, above * one", "xp.where(z >= 0, above * one"),
    "dampening of the first step": Mutant(
        "optimizers/sgd.py", "velocity = g if before", "velocity = (1 - options.dampening) * g if before"
    ),
    "no correction of the start": Mutant("optimizers/adam.py", "(1 - beta1**step)", "(1 - beta1)"),
    "clipping by value alone": Mutant(
        "optimizers/clipping.py",
        "if options.clip_norm is not None",
        "if options.clip_value is None and options.clip_norm",
    ),
    "clipping lengthens": Mutant("optimizers/clipping.py", "min(1.0, options.clip_norm", "max(0.0, options.clip_norm"),
    "state kept over a change of kind": Mutant("optimizers/__init__.py", " and state.kind == options.kind", ""),
}


def copied(to: Path) -> Path:
    """A copy of core and its tests, with the probe that it is the copy that gets imported."""
    for folder in ("core", "tests/core"):
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__", Path(__file__).name))
    for file in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / file, to / file)
    (to / "tests/core/test_probe.py").write_text(PROBE)
    return to


def sharpest_first(copy: Path) -> list[str]:
    rank = {f"test_{name}.py": place for place, name in enumerate(SHARPEST)}
    files = sorted(
        (copy / "tests/core").rglob("test_*.py"), key=lambda file: (rank.get(file.name, len(rank)), file.name)
    )
    return [str(file.relative_to(copy)) for file in files]


def outcome(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *arguments]
    # The options and the path of whoever runs this are not those of the copy.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}
    return subprocess.run(command, cwd=copy, env=kept, capture_output=True, text=True, timeout=300, check=False)


def test_the_copy_passes_as_it_is(tmp_path: Path) -> None:
    run = outcome(copied(tmp_path), "tests/core")
    assert run.returncode == 0, run.stdout
    assert outcome(tmp_path, "tests/core", "-k", SQUARE).returncode == 0
    assert "1 passed" in outcome(tmp_path, "tests/core/test_probe.py").stdout


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_noticed(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    source = copied(tmp_path) / "core" / mutant.file
    text = source.read_text()
    assert text.count(mutant.right) == 1, f"{mutant.file} has changed: plant this mistake anew"
    source.write_text(text.replace(mutant.right, mutant.wrong))
    selected = ["-k", mutant.within] if mutant.within else []
    run = outcome(tmp_path, *sharpest_first(tmp_path), "-x", "--tb", "short", *selected)
    assert run.returncode == 1, run.stdout
    assert "AssertionError" in run.stdout, "a mistake is to be seen by a number that is wrong, not by a crash"
    print(name, *re.findall(r"^FAILED (\S+)", run.stdout, re.MULTILINE), sep=": ")
