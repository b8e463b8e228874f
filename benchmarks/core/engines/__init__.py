"""The engines: each module has `build(task)`, which prepares one operation and returns something that runs it.

Invariant: an engine does all of the operation for every batch it is given (one SGD step is w -= eta times the mean gradient), in
the dtype of the task, and has finished computing when `run` returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.core.cases import Array, Batch, Case

__all__ = ["Engine", "Task", "Unavailable", "shuffled"]


class Unavailable(Exception):
    """The engine cannot run here, and why."""


@dataclass(frozen=True)
class Task:
    """What an engine is to do: `operation` is forward, backprop, step or epochs."""

    case: Case
    operation: str
    dtype: str
    threads: int
    variant: str
    vector: Array
    batches: list[Batch]
    """Gone through in turn, again and again; for `epochs` the one element is the whole training set."""
    options: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """One prepared operation; optional attributes: `note`, what it found fastest, and `share`, the part of an epoch one run is."""

    def run(self, count: int) -> None:
        """Do the operation `count` times, going on with the next batch each time; returns when all is computed."""

    def result(self) -> Array:
        """The parameters after the steps so far; or the gradient, or the outputs, of the last batch."""


def shuffled(examples: int, batch: int, epoch: int) -> npt.NDArray[np.intp]:
    """The rows of each batch of an epoch, (steps, batch): the same order for every engine."""
    return np.random.default_rng(1000 + epoch).permutation(examples).reshape(-1, batch)
