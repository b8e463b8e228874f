"""Programs for `run.c`: the records of some operations, and what they point to, in one table.

Invariant: a table is complete but for the addresses of what a run is given, and belongs to one thread at a time, as the memory does
that it names. Whoever runs it keeps that memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from core.plans.calls import Given, Run, Step, dispatched
from core.plans.native.library import HEADER, Source, runner, trainer
from core.plans.native.records import END, Record, Word, records_of
from core.types import Array

__all__ = ["Train", "joined", "training"]

Table = Any
"""An array of ctypes, of 64-bit words."""

Train = Callable[[Array, Array, Array, Array, Array], None]
"""All operations on batch after batch: x (M, n_1), y (M, n_L), the order of their rows, and where a batch's rows go."""


def joined(steps: Sequence[Step], releases: bool, target: Array | None = None) -> list[Run] | None:
    """Those operations in as few calls as can be: programs, and Python's own where there is no telling otherwise.

    What programs read or write in `target` they do in the array of the same size that a run is given. Other threads of Python go on
    while a program runs where it `releases` the lock: not worth its price for a short one. None where `run.c` was not built.
    """
    run = runner(releases)
    if run is None:
        return None
    told = [(step, records_of(step)) for step in steps]
    runs: list[Run] = []
    for is_told, group in groupby(told, lambda each: each[1] is not None):
        members = list(group)
        if is_told:
            records = [record for _, of_step in members for record in of_step or ()]
            runs.append(partial(run, _table(records, target), HEADER))
        else:
            runs.append(dispatched([step for step, _ in members], releases))
    return runs


def training(steps: Sequence[Step]) -> Train | None:
    """Those operations on batch after batch without Python in between, where all of them can be told."""
    run, told = trainer(), [records_of(step) for step in steps]
    if run is None or any(records is None for records in told):
        return None
    table = _table([record for records in told for record in records or ()])

    def train(x: Array, y: Array, order: Array, rows: Array, answers: Array) -> None:
        from_x, from_y = Source.of(x, rows), Source.of(y, answers)
        chosen = np.ascontiguousarray(order, np.int64)
        run(table, ctypes.byref(from_x), ctypes.byref(from_y), chosen.ctypes.data, len(rows), len(chosen) // len(rows))

    return train


def _table(records: Sequence[Record], target: Array | None = None) -> Table:
    words = [word for record in records for word in record]
    moving = _moving(words, target)
    constants = list(dict.fromkeys(word for word in words if isinstance(word, bytes)))
    start = 1 + 3 * len(moving)
    end = start + len(words)
    table = (ctypes.c_int64 * (end + 1 + len(constants)))()
    address = ctypes.addressof(table)
    places = {constant: address + 8 * (end + 1 + index) for index, constant in enumerate(constants)}
    patches = [number for index, given, offset in moving for number in (start + index, given, offset)]
    filled = (0 if isinstance(word, Given) else places[word] if isinstance(word, bytes) else word for word in words)
    table[:] = [
        len(moving),
        *patches,
        *filled,
        END,
        *(int.from_bytes(each, "little", signed=True) for each in constants),
    ]
    return table


def _moving(words: Sequence[Word], target: Array | None) -> list[tuple[int, int, int]]:
    """(index, input, offset) of every word that is an address inside one of the arrays that a run is given."""
    start = 0 if target is None else target.ctypes.data
    inside = range(0) if target is None else range(start, start + target.nbytes)
    found = [(index, word.value, 0) for index, word in enumerate(words) if isinstance(word, Given)]
    return found + [
        (index, _TARGET, word - start) for index, word in enumerate(words) if isinstance(word, int) and word in inside
    ]


_TARGET = len(Given)
