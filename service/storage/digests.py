"""One digest of a version's numbers, wherever they are and whoever computed them: equal digests, equal bits."""

from __future__ import annotations

import numpy as np
import xxhash

from service.storage.base import NetworkState

__all__ = ["digest_of"]


def digest_of(state: NetworkState) -> bytes:
    """The xxh3-128 over the parameters and all that the optimizer remembers, with names, types and shapes."""
    total = xxhash.xxh3_128(str(state.optimizer_kind).encode())
    for name, array in (("parameters", state.parameters), *sorted(state.optimizer.items())):
        plain = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
        total.update(f"|{name} {plain.dtype.str} {plain.shape}|".encode())
        total.update(plain.reshape(-1).view(np.uint8).data)
    return total.digest()
