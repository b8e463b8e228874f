"""The conditions that come with a write: an idempotency key is looked at first, then the version that it replaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.engine.base import Applied, Guard
from service.errors import IdempotencyMismatch, PreconditionRequired, StalePrecondition, StillRunning, TooLarge
from service.storage.base import Receipt, Store

__all__ = ["Keys", "Quotas", "check", "creations", "receipt_for", "refuse_stale"]


class Keys:
    """Idempotency keys: those of writes that were answered (the store knows them) and of those under way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: dict[tuple[str, str], str] = {}

    @contextmanager
    def claim(self, scope: str, guard: Guard) -> Iterator[Applied | None]:
        """The first answer, if there was one; otherwise None, and the key is taken while the block runs.

        Raises:
            IdempotencyMismatch: the key is of another request. StillRunning: of this one, which has no answer yet.
        """
        if guard.key is None:
            yield None
            return
        place = (scope, guard.key)
        if place in self._running:
            _same(self._running[place], guard)
            raise StillRunning("the first request with this idempotency key has not been answered yet")
        receipt = self._store.receipt(scope, guard.key)
        if receipt is not None:
            _same(receipt.fingerprint, guard)
            yield Applied(receipt.version, receipt.body, receipt.status, replayed=True)
            return
        self._running[place] = guard.fingerprint
        try:
            yield None
        finally:
            del self._running[place]


class Quotas:
    """How many networks each owner has and is about to have. It is told of every creation and deletion in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._have: dict[str, int] = {}
        self._making: Counter[str] = Counter()

    @contextmanager
    def one_more(self, guard: Guard) -> Iterator[None]:
        """A place for a network that is made while the block runs.

        Raises:
            TooLarge: there is none.
        """
        owner = guard.owner
        asked = self.look(owner) + self._making[owner] + 1
        if guard.max_networks is not None and asked > guard.max_networks:
            figures = {"asked": asked, "limit": guard.max_networks}
            raise TooLarge(f"This would be network {asked}; the key's limit is {guard.max_networks}.", figures)
        self._making[owner] += 1
        try:
            yield
        finally:
            self._making[owner] -= 1

    def look(self, owner: str) -> int:
        """How many an owner has; asked before a creation or a deletion is handed to the store."""
        if owner not in self._have:
            self._have[owner] = self._store.count(owner)
        return self._have[owner]

    def changed(self, owner: str, by: int) -> None:
        """A creation or a deletion is on disk."""
        self._have[owner] += by


def creations(owner: str) -> str:
    """The scope of the keys of an owner's creations."""
    return f"networks:{owner}" if owner else "networks"


def refuse_stale(guard: Guard, current: int, *, required: bool) -> None:
    """Refuse at once what no wait can make right: versions only grow, so that one below the current never comes back."""
    if guard.if_match is None or guard.if_match == "*" or all(version < current for version in guard.if_match):
        check(guard, current, required=required)


def check(guard: Guard, current: int, *, required: bool) -> None:
    """Let a write to version `current` pass, or raise `PreconditionRequired` or `StalePrecondition`."""
    if guard.if_match is None:
        if required:
            raise PreconditionRequired("this service takes writes to a network only with If-Match")
    elif guard.if_match != "*" and current not in guard.if_match:
        raise StalePrecondition(f"the current version is {current}", current)


def receipt_for(scope: str, guard: Guard, applied: Applied) -> Receipt | None:
    """What is to be kept with a write, if it came with a key."""
    if guard.key is None:
        return None
    return Receipt(scope, guard.key, guard.fingerprint, applied.status, applied.version, applied.body)


def _same(fingerprint: str, guard: Guard) -> None:
    if fingerprint != guard.fingerprint:
        raise IdempotencyMismatch("this idempotency key was used for a different request")
