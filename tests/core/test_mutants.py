"""The tests of core notice what they are for: each planted mistake makes them fail, on a copy that passes without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutants import Mutant, copied, outcome, plant

pytestmark = pytest.mark.slow

QUICK = ("-m", "not slow")
SHARPEST = ("equations", "costs", "optimizer_changes", "activations")
"""Run first: most mistakes show here at once."""


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


def sharpest_first(copy: Path) -> list[str]:
    rank = {f"test_{name}.py": place for place, name in enumerate(SHARPEST)}
    files = sorted(
        (copy / "tests/core").rglob("test_*.py"), key=lambda file: (rank.get(file.name, len(rank)), file.name)
    )
    return [str(file.relative_to(copy)) for file in files]


def test_the_copy_passes_as_it_is(tmp_path: Path) -> None:
    run = outcome(copied(tmp_path, "core", "tests/core"), "tests/core", *QUICK)
    assert run.returncode == 0, run.stdout
    assert outcome(tmp_path, "tests/core", *QUICK, "-k", SQUARE).returncode == 0
    assert "1 passed" in outcome(tmp_path, "tests/core/test_probe.py").stdout


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_noticed(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    plant(copied(tmp_path, "core", "tests/core") / "core", mutant)
    selected = ["-k", mutant.within] if mutant.within else []
    run = outcome(tmp_path, *sharpest_first(tmp_path), *QUICK, "-x", "--tb", "short", *selected)
    assert run.returncode == 1, run.stdout
    assert "AssertionError" in run.stdout, "a mistake is to be seen by a number that is wrong, not by a crash"
    print(name, *re.findall(r"^FAILED (\S+)", run.stdout, re.MULTILINE), sep=": ")
