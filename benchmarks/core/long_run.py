"""The long run: epochs of 50,000 examples of 784 numbers in shuffled batches, network a; MNIST, or synthetic with its shapes."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from benchmarks.core.cases import CASES, Batch, Case, Problem, draw_parameters, one_hot
from benchmarks.core.engines import shuffled

__all__ = ["EXAMPLES", "epoch", "problem"]

EXAMPLES = 50_000
CASE = CASES["a"]


def problem(dtype: str, mnist: Path | None, examples: int = EXAMPLES) -> Problem:
    """The whole training set as the one batch of the problem."""
    data = read_mnist(mnist, dtype, examples) if mnist else synthetic(dtype, examples)
    return Problem(CASE, draw_parameters(CASE, dtype), [data])


def synthetic(dtype: str, examples: int) -> Batch:
    """Like MNIST for a processor: a fifth of the pixels lit, in [0, 1]; ten classes, each with its own pixels."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 10, examples)
    lit = rng.random((10, 784)) < 0.2
    x = rng.random((examples, 784), np.float32) * lit[labels]
    return Batch(x.astype(dtype), one_hot(labels, 10, dtype), labels)


def read_mnist(folder: Path, dtype: str, examples: int) -> Batch:
    """The training set in its IDX files, gzipped or not; pixels divided by 255."""
    pixels = _idx(folder, "train-images-idx3-ubyte", 16)[: examples * 784].reshape(examples, 784)
    labels = _idx(folder, "train-labels-idx1-ubyte", 8)[:examples].astype(np.int64)
    return Batch((pixels / np.float64(255)).astype(dtype), one_hot(labels, 10, dtype), labels)


def _idx(folder: Path, name: str, header: int) -> np.ndarray:
    plain, packed = folder / name, folder / f"{name}.gz"
    content = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    return np.frombuffer(content, np.uint8, offset=header)


def epoch(case: Case, data: Batch, share: float) -> list[Batch]:
    """The batches of the first epoch, or of its first part, in the order that every engine takes them."""
    rows = shuffled(len(data.x), case.batch, 0)
    return [Batch(data.x[each], data.y[each], data.labels[each]) for each in rows[: round(len(rows) * share)]]
