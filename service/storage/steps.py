"""The bytes of a step that makes a version: minibatch, options, what computed it, and the digest of what it made.

They have the form of `service.storage.encoding` and a digest of their own; nothing is computed from them before it agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from service.storage.base import NetworkState, StepRecord
from service.storage.encoding import Buffer, Encoded, encode, pack, unpack

__all__ = ["decode_step", "encode_step", "encoder"]

_MAGIC: Final = b"gradwire step  1"
_AT_ONCE: Final = 256 * 1024


def encode_step(step: StepRecord, network: str, version: int) -> Encoded:
    """The bytes of the step that makes `version`."""
    document = {
        "network": network,
        "version": version,
        "options": dict(step.options),
        "numerics": dict(step.numerics),
        "made": step.digest.hex(),
    }
    packed = pack(_MAGIC, document, {"inputs": step.inputs, "targets": step.targets})
    return Encoded(packed.pieces, packed.nbytes, packed.digest, recorded=True)


def decode_step(data: Buffer, digest: bytes, network: str, version: int) -> StepRecord:
    """The step in `data`, its arrays as read-only views of it, once the digest agrees. Raises `CorruptState`."""
    header, arrays = unpack(_MAGIC, data, digest, network, version)
    made = bytes.fromhex(header["made"])
    return StepRecord(arrays["inputs"], arrays["targets"], header["options"], header["numerics"], made)


def encoder(numbers: NetworkState | StepRecord, network: str, version: int) -> Callable[[], Encoded]:
    """What gives the bytes of a version; those of few numbers are made at once, by who has them at hand.

    What it gives up on (`TypeError`) it raises when it is called.
    """

    def encoded() -> Encoded:
        if isinstance(numbers, StepRecord):
            return encode_step(numbers, network, version)
        return encode(numbers, network, version)

    if numbers.nbytes > _AT_ONCE:
        return encoded
    try:
        ready = encoded()
    except TypeError:
        return encoded
    return lambda: ready
