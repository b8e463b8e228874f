"""Lets a request in by its key, or without one where that is allowed, and notices keys that are made or revoked.

Once there has been a key in the folder, requests without one are let in only where the service was told to; a file that
cannot be read lets nobody in.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Iterable
from typing import Final

from service.access.callers import ANONYMOUS, Caller
from service.access.keyfile import KeyFile
from service.access.keys import digest_of
from service.errors import StorageUnavailable, Unauthorized

__all__ = ["Door"]

_log = logging.getLogger(__name__)
_LOOK_EVERY: Final = 0.5
"""Seconds for which a revoked key may still be good."""
_BEARER: Final = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)


class Door:
    """Who may come in.

    Args:
        file: the keys.
        without_key: requests without a key are let in while there are no keys (as on a loopback address).
        always: requests without a key are let in, keys or not.
    """

    def __init__(self, file: KeyFile, *, without_key: bool, always: bool) -> None:
        self._file = file
        self._without_key = without_key
        self._always = always
        self._callers: dict[bytes, Caller] = {}
        self._seen: tuple[int, int, int] | None = None
        self._had_keys = False
        self._look_at = -1.0

    def __len__(self) -> int:
        """How many keys let somebody in."""
        return len(self._callers)

    def look(self, now: float) -> None:
        """See which keys there are; not more than twice a second."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY
        try:
            if self._file.signature() != self._seen:
                self.read()
        except StorageUnavailable as error:
            _log.error("%s; nobody is let in", error)
            self._callers, self._had_keys = {}, True

    def admit(self, headers: Iterable[tuple[bytes, bytes]], now: float) -> Caller:
        """Whoever sent a request with these headers, at this time in seconds.

        Raises:
            Unauthorized: no key where one is needed, or one that is not known or was revoked.
            RateLimited: the key has used its allowance up.
        """
        self.look(now)
        if not self._had_keys and (self._without_key or self._always):
            return ANONYMOUS
        authorization = [value for name, value in headers if name == b"authorization"]
        if not authorization:
            if self._always:
                return ANONYMOUS
            raise Unauthorized("This service takes requests with an API key: Authorization: Bearer KEY.")
        found = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
        if found is None:
            raise Unauthorized("The Authorization header is not Bearer and one key.", given=True)
        return self._holder(digest_of(found[1]), now)

    def _holder(self, digest: bytes, now: float) -> Caller:
        caller = self._callers.get(digest)
        # The dictionary compares digests, whose bytes nobody can choose; the last word has one that takes equal time.
        if caller is None or not hmac.compare_digest(caller.digest, digest):
            raise Unauthorized("This key is not known, or was revoked.", given=True)
        if caller.allowance is not None:
            caller.allowance.take(now)
        return caller

    def read(self) -> None:
        """Read the keys. Raises `StorageUnavailable`."""
        # Taken down first: a file that is replaced meanwhile is seen to be another one the next time.
        self._seen = self._file.signature()
        keys = self._file.read()
        before = {caller.key: caller for caller in self._callers.values()}
        callers = [Caller.with_key(key, before.get(key.id)) for key in keys if not key.revoked_at]
        self._callers = {caller.digest: caller for caller in callers}
        self._had_keys = self._had_keys or bool(keys)
