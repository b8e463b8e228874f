"""Arrays from a request, checked against the network and moved to where it lives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from core.backend import Backend
from core.errors import InvalidBatch
from core.network import Architecture, Parameters
from core.types import Array

__all__ = ["from_host", "on_device"]

HostArray = npt.NDArray[Any]


def on_device(
    backend: Backend, architecture: Architecture, inputs: HostArray, targets: HostArray
) -> tuple[Array, Array]:
    """The batch on the device: floating arrays in the network's dtype, class labels as the integers that they are."""
    dtype = architecture.dtype if targets.dtype.kind == "f" else "int64"
    return backend.asarray(inputs, architecture.dtype), backend.asarray(targets, dtype)


def from_host(
    backend: Backend, architecture: Architecture, layers: Sequence[tuple[HostArray, HostArray]], field: str
) -> Parameters:
    """Parameters on the device from (weights, biases) of each layer, which stand in `field` of the request.

    Raises:
        InvalidBatch: a layer too few or too many, or another shape; the path begins with `field`.
    """
    try:
        vector = Parameters.from_layers(np, architecture, layers).vector
    except InvalidBatch as error:
        raise InvalidBatch(error.detail, (field, *error.path[1:])) from None
    return Parameters(architecture, backend.asarray(vector, architecture.dtype))
