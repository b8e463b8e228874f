"""Per-layer answers on the host: every list of layers carries the layer's number, 2..L ascending."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.backend import Backend
from core.network import LayerParameters

__all__ = ["layer_rows", "parameter_rows"]


def layer_rows(backend: Backend, layers: Iterable[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """A list of `{"layer": l, name: host array, ...}` from layers of device arrays."""
    return [
        {"layer": number, **{name: backend.to_host(array) for name, array in arrays.items()}}
        for number, arrays in layers
    ]


def parameter_rows(backend: Backend, layers: Iterable[LayerParameters]) -> list[dict[str, Any]]:
    """The weights and biases of each layer, or a gradient with respect to them, on the host."""
    return layer_rows(backend, ((at.layer, {"weights": at.weights, "biases": at.biases}) for at in layers))
