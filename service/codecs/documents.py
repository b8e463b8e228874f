"""One way in and one way out: a document from bytes, bytes from a document, in either media type."""

from __future__ import annotations

from typing import Any

from service.codecs import json, matrices, safetensors
from service.codecs.media import SAFETENSORS

__all__ = ["Document", "parse", "render"]

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


def render(document: Document, media: str) -> bytes:
    """The bytes of a document; NumPy arrays (on the host) come back to the same bits in their own dtype.

    Raises:
        NonFinite: the document holds a NaN or an infinity, which no answer may.
    """
    return safetensors.render(document) if media == SAFETENSORS else json.render(document)
