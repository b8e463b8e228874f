"""What the service says of itself: what it is made of, what it can do and how much, and whether it can work now."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from core.activations import ACTIVATIONS
from core.costs import COSTS
from core.errors import BackendUnavailable
from core.feedforward import predict
from core.initializers import INITIALIZERS
from core.network import Architecture, Layer, Parameters
from core.optimizers import OPTIMIZERS
from service.errors import Overloaded
from service.operations.service import Service
from service.settings import LIMITS, RETENTION

__all__ = ["info", "metrics", "require_ready"]

_PATIENCE: Final = 5.0
_RETRY_AFTER: Final = 5
_SMALLEST: Final = Architecture(1, (Layer(1, "identity"),), "quadratic", "float64")


def info(service: Service) -> dict[str, Any]:
    """The version, the backend, what can be named in a request, and every limit."""
    backend = service.engine.backend
    return {
        "version": version("gradwire"),
        "backend": backend.name,
        "device": backend.device,
        "blas": backend.blas,
        "store": service.engine.description,
        "dtypes": ["float32", "float64"],
        "activations": list(ACTIVATIONS),
        "costs": list(COSTS),
        "initializers": list(INITIALIZERS),
        "optimizers": list(OPTIMIZERS),
        "media_types": ["application/json", "application/vnd.safetensors"],
        "limits": {name: getattr(service.settings, name) for name in LIMITS},
        "retention": {name: getattr(service.settings, name) for name in RETENTION},
    }


async def metrics(service: Service) -> bytes:
    """All metrics in Prometheus's text format, with how much the store holds now."""
    usage = await service.engine.usage()
    service.metrics.holds(usage.networks, usage.bytes_used, usage.bytes_free)
    return service.metrics.render()


async def require_ready(service: Service) -> None:
    """Compute 2 x 3 + 1 on the backend and write to the store; return if both worked, and soon.

    Raises:
        Overloaded, BackendUnavailable, StorageFull, StorageUnavailable.
    """
    backend = service.engine.backend

    def work() -> float:
        parameters = Parameters(_SMALLEST, backend.asarray(np.array([2.0, 1.0]), "float64"))
        outputs = predict(backend.xp, parameters, backend.asarray(np.array([[3.0]]), "float64"))
        return float(backend.to_host(outputs)[0, 0])

    try:
        async with asyncio.timeout(_PATIENCE):
            if await service.engine.compute(work, 1) != 7.0:
                raise BackendUnavailable("The backend computes 2 x 3 + 1 wrongly.")
            await service.engine.ready()
    except TimeoutError:
        raise Overloaded(f"The store did not write within {_PATIENCE:g} seconds.", _RETRY_AFTER) from None
