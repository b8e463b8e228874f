"""The memory of a pass: each layer's arrays, cut out of one block that is allocated once.

Invariant: all of them are (m, n_l) and C-contiguous. A pass that will go back keeps every layer (`every_layer`); one that only
goes forward has two buffers in turn, since z^l needs nothing older than a^{l-1} (`two_in_turn`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.network import Architecture
from core.types import Array

__all__ = ["Buffers", "every_layer", "every_layer_bytes", "two_in_turn", "two_in_turn_bytes"]


@dataclass(frozen=True)
class Buffers:
    """The arrays of one layer, all (m, n_l) and C-contiguous; `a` is `z` itself where the kernel allows it."""

    z: Array
    a: Array
    delta: Array
    scratch: Array

    @property
    def mask(self) -> Array:
        """The scratch memory as (m, n_l) booleans."""
        return self.scratch.reshape(-1).view(np.bool_)[: self.scratch.size].reshape(self.scratch.shape)


def every_layer_bytes(architecture: Architecture) -> int:
    """Bytes of `every_layer` for one row of a batch."""
    return 4 * sum(architecture.sizes[1:]) * np.dtype(architecture.dtype).itemsize


def every_layer(architecture: Architecture, batch: int, apart: Sequence[bool]) -> tuple[Array, list[Buffers]]:
    """All z (of the layers that keep them `apart` from a), all a, all delta, all scratch, each layer by layer."""
    sizes = architecture.sizes[1:]
    memory = np.zeros((4, sum(sizes) * batch), architecture.dtype)
    layers: list[Buffers] = []
    offset = 0
    for units, is_apart in zip(sizes, apart, strict=True):
        z, a, delta, scratch = (block[offset : offset + units * batch].reshape(batch, units) for block in memory)
        layers.append(Buffers(z if is_apart else a, a, delta, scratch))
        offset += units * batch
    return memory, layers


def two_in_turn_bytes(architecture: Architecture) -> int:
    """Bytes of `two_in_turn` for one row of a batch."""
    return 2 * max(architecture.sizes[1:]) * np.dtype(architecture.dtype).itemsize


def two_in_turn(architecture: Architecture, batch: int) -> tuple[Array, list[Buffers]]:
    """Two buffers of the widest layer: z^l becomes a^l in one, while the other, which had a^{l-1}, serves as scratch."""
    sizes = architecture.sizes[1:]
    memory = np.zeros((2, max(sizes) * batch), architecture.dtype)
    layers: list[Buffers] = []
    for index, units in enumerate(sizes):
        a, other = (memory[which][: units * batch].reshape(batch, units) for which in (index % 2, 1 - index % 2))
        layers.append(Buffers(a, a, other, other))
    return memory, layers
