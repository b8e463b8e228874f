"""A coroutine that has been begun without a task, for a task to go on with.

Invariant: the task sees what it would have seen, had it begun the coroutine itself: first what that waits for.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any

__all__ = ["Begun"]


class Begun(Coroutine[Any, Any, None]):
    """The rest of a coroutine.

    Args:
        inside: which was sent its first None.
        awaited: what it yielded then.
    """

    __slots__ = ("_awaited", "_inside", "_told")

    def __init__(self, inside: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._inside = inside
        self._awaited = awaited
        self._told = False

    def send(self, value: Any) -> Any:
        """Go on; the first time, say what is waited for."""
        if self._told:
            return self._inside.send(value)
        self._told, awaited, self._awaited = True, self._awaited, None
        return awaited

    def throw(self, *error: Any) -> Any:
        """Raise an error where it waits, though the task may not have been told for what."""
        self._told = True
        return self._inside.throw(*error)

    def close(self) -> None:
        """End it."""
        self._inside.close()

    def __await__(self) -> Generator[Any, Any, None]:
        """As any coroutine."""
        return self._inside.__await__()
