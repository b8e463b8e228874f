"""What the bits of a computation depend on besides its inputs: libraries, their kernels, the processor or the device.

Invariant: two processes that say the same here come to the same bits from the same calls; where they say something else they may.
"""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import scipy

from core.backend import Backend
from core.plans.threads import libraries

__all__ = ["numerics"]


def numerics(backend: Backend) -> dict[str, str]:
    """Names and versions, by what they are of."""
    told = {"backend": backend.name, "blas": backend.blas, "numpy": np.__version__}
    if backend.name != "numpy":
        return told | {"cupy": str(getattr(backend.xp, "__version__", "")), "device": backend.device}
    simd: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]  # typed as None for the default mode
    kernels = simd["SIMD Extensions"]
    return told | {
        "scipy": scipy.__version__,
        **libraries(),
        "simd": " ".join([*kernels.get("baseline", ()), *kernels.get("found", ())]),
        "libc": " ".join(platform.libc_ver()),
        "machine": platform.machine(),
    }
