"""One way in and one way out: a document from bytes, bytes from a document, in either media type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from service.codecs import json, matrices, safetensors, safetensors_out
from service.codecs.media import SAFETENSORS

__all__ = ["Document", "Rendering", "parse", "render", "rendering"]

Document = dict[str, Any]
"""The JSON form of a body: a nested dict whose array leaves are nested lists or NumPy arrays."""


def parse(body: bytes | bytearray, media: str) -> Document:
    """The document in a body of media type `media` (one of `media.SUPPORTED`).

    Raises:
        MalformedBody: bytes that are not JSON or not safetensors.
        InvalidInput: they are, and what they say is wrong in itself (repeated fields, NaN, lone surrogates, ...).
        TooLarge: a safetensors header over its limits.
    """
    if media == SAFETENSORS:
        return safetensors.parse(body)
    found = matrices.read(body)
    return json.parse(body) if found is None else found


class Rendering(Protocol):
    """A document about to become bytes."""

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays, which say how long it will take."""

    def render(self) -> bytes:
        """The bytes.

        Raises:
            NonFinite: the document holds a NaN or an infinity, which no answer may.
        """


def rendering(document: Mapping[str, Any], media: str) -> Rendering:
    """A document's way to bytes; NumPy arrays (on the host) come back to the same bits in their own dtype."""
    return safetensors_out.Rendering(document) if media == SAFETENSORS else json.Rendering(document)


def render(document: Mapping[str, Any], media: str) -> bytes:
    """The bytes of a document. Raises `NonFinite`."""
    return rendering(document, media).render()
