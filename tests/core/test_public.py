"""The way into core: every public name is there and described, a short script needs no more, and nothing else comes along."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import numpy as np

import core

XOR_X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
XOR_Y = np.array([[0.0], [1], [1], [0]])


def test_every_public_name_is_there_once() -> None:
    assert len(set(core.__all__)) == len(core.__all__)
    assert all(hasattr(core, name) for name in core.__all__)


def test_the_docstring_shows_the_way_in_with_names_that_exist() -> None:
    shown = re.findall(r"^ {4}(\w+)\(", core.__doc__ or "", re.MULTILINE)
    assert len(shown) >= 10
    assert set(shown) <= set(core.__all__)


def test_a_short_script_can_teach_a_network() -> None:
    backend = core.select("numpy")
    layers = (core.Layer(4, "tanh"), core.Layer(1, "sigmoid"))
    network = core.Architecture(2, layers, "quadratic", "float64")
    parameters = core.Parameters(network, backend.asarray(core.initialize(network, "xavier_uniform", 3)))
    options, state = core.make_options("adam", {"learning_rate": 0.05}), None
    for _ in range(400):
        step = core.sgd_step(backend.xp, parameters, state, XOR_X, XOR_Y, options)
        parameters, state = step.parameters, step.state
    outputs = core.predict(backend.xp, parameters, XOR_X)
    np.testing.assert_array_equal(outputs > 0.5, XOR_Y > 0.5)
    assert core.backprop(backend.xp, parameters, XOR_X, XOR_Y).cost < 0.01


def test_core_brings_nothing_but_numpy_and_scipy() -> None:
    # NumPy and SciPy themselves load a few packages where they happen to be installed.
    brought = _loaded_by("numpy, scipy.linalg, scipy.special")
    outside = set(packages_distributions()) - {"core"}
    assert _loaded_by("core, core.step") & outside <= brought | {"numpy", "scipy"}


def _loaded_by(modules: str) -> set[str]:
    script = f"import sys; import {modules}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())
