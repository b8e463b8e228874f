"""Clipping of the gradient before an update: first by its global norm, then by value.

Source: torch.nn.utils.clip_grad_norm_ (the 1e-6 included) and clip_grad_value_.
"""

from __future__ import annotations

from core.optimizers.base import Options
from core.types import Array, ArrayModule

__all__ = ["clipped"]


def clipped(xp: ArrayModule, gradient: Array, norm: float, options: Options) -> Array:
    """The gradient (P,) whose global L2 norm is `norm`, clipped as the options say."""
    if options.clip_norm is not None:
        gradient = gradient * min(1.0, options.clip_norm / (norm + 1e-6))
    if options.clip_value is not None:
        edge = xp.full_like(gradient, options.clip_value)
        gradient = xp.maximum(xp.minimum(gradient, edge), -edge)
    return gradient
