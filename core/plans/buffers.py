"""The memory of a pass: each layer's arrays, cut out of one block that is allocated once.

Invariant: all of them are (n_l, m) and C-contiguous, neurons in rows. In front of each layer's activations lies the row of a
neuron that is always 1, the one whose weights are the next layer's biases. A pass that will go back keeps every layer
(`every_layer`); one that only goes forward has two buffers in turn, since z^l needs nothing older than a^{l-1} (`two_in_turn`).
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
    """The arrays of one layer; `z` is `a` itself where the kernel allows it."""

    z: Array
    """(n_l, m), as `a`, `delta` and `scratch`."""
    a_and_one: Array
    """(1 + n_l, m): the ones, then a."""
    delta_and_none: Array
    """(1 + n_l, m): delta behind a row that means nothing, where the product that makes delta leaves that of the ones."""
    scratch: Array

    @property
    def a(self) -> Array:
        """The activations."""
        return self.a_and_one[1:]

    @property
    def delta(self) -> Array:
        """The errors."""
        return self.delta_and_none[1:]

    @property
    def keeps_z(self) -> bool:
        """Whether z has memory of its own."""
        return not np.may_share_memory(self.z, self.a_and_one)

    @property
    def mask(self) -> Array:
        """The scratch memory as (n_l, m) booleans."""
        return self.scratch.reshape(-1).view(np.bool_)[: self.scratch.size].reshape(self.scratch.shape)


def every_layer_bytes(architecture: Architecture) -> int:
    """Bytes of `every_layer` for one example of a batch."""
    return 4 * sum(1 + units for units in architecture.sizes[1:]) * np.dtype(architecture.dtype).itemsize


def every_layer(architecture: Architecture, batch: int, apart: Sequence[bool]) -> tuple[Array, list[Buffers]]:
    """All z (of the layers that keep them `apart` from a), all a, all delta, all scratch, each layer by layer."""
    rows = [1 + units for units in architecture.sizes[1:]]
    memory = np.zeros((4, sum(rows) * batch), architecture.dtype)
    layers: list[Buffers] = []
    start = 0
    for count, is_apart in zip(rows, apart, strict=True):
        z, a, delta, scratch = (block[start : start + count * batch].reshape(count, batch) for block in memory)
        a[0] = 1
        layers.append(Buffers((z if is_apart else a)[1:], a, delta, scratch[1:]))
        start += count * batch
    return memory, layers


def two_in_turn_bytes(architecture: Architecture) -> int:
    """Bytes of `two_in_turn` for one example of a batch."""
    return 2 * (1 + max(architecture.sizes[1:])) * np.dtype(architecture.dtype).itemsize


def two_in_turn(architecture: Architecture, batch: int) -> tuple[Array, list[Buffers]]:
    """Two buffers of the widest layer: z^l becomes a^l in one, while the other, which had a^{l-1}, serves as scratch."""
    sizes = architecture.sizes[1:]
    memory = np.zeros((2, (1 + max(sizes)) * batch), architecture.dtype)
    memory[:, :batch] = 1
    layers: list[Buffers] = []
    for index, units in enumerate(sizes):
        a, other = (
            memory[which][: (1 + units) * batch].reshape(1 + units, batch) for which in (index % 2, 1 - index % 2)
        )
        layers.append(Buffers(a[1:], a, other, other[1:]))
    return memory, layers
