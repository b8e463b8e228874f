"""The bytes of a step that makes a version: minibatch, options, what computed it, and the digest of what it made.

They have the form of `service.storage.encoding` and a digest of their own; nothing is computed from them before it agrees.
"""

from __future__ import annotations

from typing import Final

from service.storage.base import StepRecord
from service.storage.encoding import Buffer, Encoded, pack, unpack

__all__ = ["decode_step", "encode_step"]

_MAGIC: Final = b"gradwire step  1"


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
