"""Work in a thread that nobody waits for any more: it finds out between two pieces of what it does.

Invariant: work that is stopped raises `Stopped`, and has changed nothing that others see.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeVar

__all__ = ["Stop", "Stopped", "stop_point"]

T = TypeVar("T")


class Stopped(Exception):
    """Whoever asked for the work has gone."""


class Stop:
    """Of one piece of work; asked for in any thread."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self) -> None:
        """Let the work end where it next looks."""
        self._asked = True

    def check(self) -> None:
        """Raise `Stopped` if that was asked."""
        if self._asked:
            raise Stopped

    def within(self, work: Callable[[], T]) -> T:
        """What the work returns or raises; `stop_point` looks here meanwhile."""
        self.check()
        token = _CURRENT.set(self)
        try:
            return work()
        finally:
            _CURRENT.reset(token)


_CURRENT: Final[ContextVar[Stop | None]] = ContextVar("gradwire.stop", default=None)


def stop_point() -> None:
    """Raise `Stopped` if the work that this is part of need not go on."""
    if (stop := _CURRENT.get()) is not None:
        stop.check()
