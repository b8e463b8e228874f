"""Who sent a request: nobody known, or the holder of a key with an allowance that fills up as time goes by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from service.access.keys import Key, Limits
from service.errors import RateLimited

__all__ = ["ANONYMOUS", "Allowance", "Caller"]


@dataclass(eq=False)
class Allowance:
    """A token bucket: `rate` requests a second, and as many at once as one second brings, at least one."""

    rate: float
    left: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.left = self._most

    @property
    def _most(self) -> float:
        return max(1.0, self.rate)

    def take(self, now: float) -> None:
        """Let one request through. Raises `RateLimited`, with the seconds until there is room for one."""
        self.left = min(self._most, self.left + max(0.0, now - self.at) * self.rate)
        self.at = now
        if self.left < 1.0:
            wait = math.ceil((1.0 - self.left) / self.rate)
            raise RateLimited(f"This key may send {self.rate:g} requests a second.", max(1, wait))
        self.left -= 1.0


@dataclass(frozen=True, eq=False)
class Caller:
    """Whose networks a request sees, and what it may ask for."""

    owner: str = ""
    """Empty: of those who came without a key."""
    key: str = ""
    limits: Limits = field(default_factory=Limits)
    allowance: Allowance | None = None
    digest: bytes = b""
    """SHA-256 of the key."""

    @classmethod
    def with_key(cls, key: Key, before: Caller | None = None) -> Caller:
        """The holder of a key; with the allowance that it had before, where that is of the same rate."""
        rate = key.limits.requests_per_second
        allowance = before.allowance if before is not None else None
        if rate is None:
            allowance = None
        elif allowance is None or allowance.rate != rate:
            allowance = Allowance(rate)
        return cls(key.owner, key.id, key.limits, allowance, bytes.fromhex(key.digest))


ANONYMOUS: Final = Caller()
