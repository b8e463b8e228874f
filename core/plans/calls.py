"""What a pass is made of: functions with everything bound that they read and write, but for the arrays of the batch.

Invariant: arguments are positional and never change, so that whoever runs a pass may also look at what it will do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

from core.plans.openblas import address_of
from core.types import Array

__all__ = ["Call", "Given", "Product", "Run", "Step", "Waiting", "dispatched", "real"]

Call = Callable[[], object]
"""One operation, bound. A `partial` of a ufunc can be looked into; anything else is Python's own business."""

Run = Callable[[Array, Array, Array], object]
"""Some operations one after the other: on x (m, n_1), y (m, n_L) and, if they can move to another one, a target."""


class Given(Enum):
    """An array of the batch, which is C-contiguous and of the network's dtype."""

    X = 0
    Y = 1


@dataclass(frozen=True)
class Waiting:
    """An operation that is called with the transpose (n, m) of an array of the batch, between the arguments that are bound."""

    given: Given
    function: Callable[..., object]
    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()

    def __call__(self, transposed: Array) -> None:
        """The call."""
        self.function(*self.before, transposed, *self.after)


@dataclass(frozen=True)
class Product:
    """A call of BLAS by its Fortran name: sizes are int, factors float, flags bytes; all are passed by their address."""

    name: str
    arguments: tuple[Array | Given | int | float | bytes, ...]
    out: Array | None = None
    """(1,): where the answer of a function goes that has one."""

    @property
    def given(self) -> Given | None:
        """The array of the batch that it waits for."""
        return next((each for each in self.arguments if isinstance(each, Given)), None)

    def bound(self, releases: bool) -> Callable[..., None]:
        """The call; of the transpose of `given`, where there is one.

        Args:
            releases: whether other threads of Python go on meanwhile.
        """
        prototype = ctypes.CFUNCTYPE if releases else ctypes.PYFUNCTYPE
        answer = None if self.out is None else real(self.name)
        function: Callable[..., Any] = prototype(answer)(address_of(self.name))
        words = [self._word(each) for each in self.arguments]
        if self.given is not None:
            index = self.arguments.index(self.given)
            before, after = words[:index], words[index + 1 :]
            return lambda transposed: function(*before, ctypes.c_void_p(transposed.ctypes.data), *after)
        if self.out is None:
            return partial(function, *words)
        out = self.out

        def answered() -> None:
            out[0] = function(*words)

        return answered

    def _word(self, argument: Array | Given | int | float | bytes) -> Any:
        if isinstance(argument, int):
            return ctypes.byref(ctypes.c_int32(argument))
        if isinstance(argument, float):
            return ctypes.byref(real(self.name)(argument))
        if isinstance(argument, bytes):
            return ctypes.c_char_p(argument)
        return None if isinstance(argument, Given) else ctypes.c_void_p(argument.ctypes.data)


Step = Call | Waiting | Product
"""One operation of a pass."""


def real(name: str) -> type[ctypes.c_float] | type[ctypes.c_double]:
    """The numbers of a function of BLAS."""
    return ctypes.c_float if name.startswith("s") else ctypes.c_double


def dispatched(steps: Sequence[Step], releases: bool) -> Run:
    """All of them, called by Python."""
    calls = [(_called(step, releases), _given(step)) for step in steps]

    def run(x: Array, y: Array, _target: Array) -> None:
        inputs = {Given.X: x.T, Given.Y: y.T}
        for call, given in calls:
            if given is None:
                call()
            else:
                call(inputs[given])

    return run


def _called(step: Step, releases: bool) -> Callable[..., object]:
    return step.bound(releases) if isinstance(step, Product) else step


def _given(step: Step) -> Given | None:
    return step.given if isinstance(step, Waiting | Product) else None
