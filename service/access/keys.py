"""API keys: 256 random bits that are shown once; what is kept is their SHA-256, an owner, and limits.

The bits are random, so that a plain hash is enough: there is no dictionary to try, and looking one up costs a dict.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

__all__ = ["Key", "Limits", "digest_of", "new_key"]

_PREFIX: Final = "gradwire_"
"""Tells a key that was leaked from other texts, to people and to scanners."""


@dataclass(frozen=True)
class Limits:
    """What a key may ask for; None: no more than the service's own limits."""

    requests_per_second: float | None = None
    max_networks: int | None = None
    """Of its owner, all together."""
    max_parameters: int | None = None
    """Of one network."""


@dataclass(frozen=True)
class Key:
    """A key as it is kept, without its secret."""

    id: str
    name: str
    owner: str
    """Whose networks it sees; keys with one owner see the same ones."""
    digest: str
    """SHA-256 of the secret, in hexadecimal."""
    created_at: str
    revoked_at: str | None = None
    limits: Limits = field(default_factory=Limits)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Key:
        """A key from its JSON. Raises `TypeError` or `KeyError` for another document."""
        return cls(**{**document, "limits": Limits(**document["limits"])})


def new_key(name: str, owner: str, limits: Limits, at: str) -> tuple[Key, str]:
    """A key and its secret, which is kept nowhere. Without an owner the key is its own."""
    secret = _PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii").rstrip("=")
    identity = "key_" + base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()
    return Key(identity, name, owner or identity, digest_of(secret.encode()).hex(), at, limits=limits), secret


def digest_of(secret: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(secret).digest()
