"""Activations and heads as CUDA kernels: one launch a layer forward, one backward.

Invariant: a kernel computes what its namesakes in `core.activations` and `core.costs` compute, from the same formulas. Arrays are
(m, n) and C-contiguous; T is their dtype. Elementwise kernels take one thread a number, kernels of rows (softmax) one warp a row.
Source of the interface: CuPy's user guide, "User-defined kernels".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import pi, sqrt
from typing import Any

from core.activations import GELU_CUBIC, GELU_EDGE, LEAK
from core.types import Array

__all__ = ["SLOPES", "VALUES", "Kernels"]

Call = Callable[[], object]

PREAMBLE = f"""
template <typename T> __device__ T falling(T z) {{ return exp(z >= 0 ? -z : z); }}  // cannot overflow
template <typename T> __device__ T logistic(T z) {{ T e = falling(z); return (z >= 0 ? T(1) : e) / (1 + e); }}
template <typename T> __device__ T bounded(T z) {{
    return z > T({GELU_EDGE}) ? T({GELU_EDGE}) : z < -T({GELU_EDGE}) ? -T({GELU_EDGE}) : z;
}}
template <typename T> __device__ T cubic(T z) {{ return T({2 * sqrt(2 / pi)}) * (z + T({GELU_CUBIC}) * z * z * z); }}
template <typename T> __device__ T gelu_tanh_slope(T z) {{
    T near = bounded(z), u = cubic(near), s = logistic(u);
    return s + near * s * logistic(-u) * T({2 * sqrt(2 / pi)}) * (1 + T({3 * GELU_CUBIC}) * near * near);
}}
template <typename T> __device__ T gelu_slope(T z) {{
    return T(0.5) * erfc(z * T({-1 / sqrt(2)})) + z * exp(T(-0.5) * z * z) * T({1 / sqrt(2 * pi)});
}}
template <typename T> __device__ T huber_slope(T d) {{ return d > 1 ? T(1) : d < -1 ? T(-1) : d; }}
template <typename T> __device__ T sign(T d) {{ return d > 0 ? T(1) : d < 0 ? T(-1) : T(0); }}
template <typename T> __device__ T warp_sum(T v) {{
    for (int k = 16; k > 0; k /= 2) v += __shfl_xor_sync(0xffffffff, v, k);
    return v;
}}
template <typename T> __device__ T warp_max(T v) {{
    for (int k = 16; k > 0; k /= 2) v = fmax(v, __shfl_xor_sync(0xffffffff, v, k));
    return v;
}}
"""

VALUES = {
    "identity": "z",
    "sigmoid": "logistic(z)",
    "tanh": "tanh(z)",
    "relu": "z > 0 ? z : T(0)",
    "leaky_relu": f"z > 0 ? z : T({LEAK}) * z",
    "elu": "z > 0 ? z : expm1(z)",
    "gelu": f"T(0.5) * z * erfc(z * T({-1 / sqrt(2)}))",
    "gelu_tanh": "z * logistic(cubic(bounded(z)))",
    "silu": "z * logistic(z)",
    "softplus": "(z > 0 ? z : T(0)) + log1p(falling(z))",
}
"""sigma(z) of the elementwise activations."""

SLOPES = {
    "identity": "T(1)",
    "sigmoid": "a * (1 - a)",
    "tanh": "1 - a * a",
    "relu": "z > 0 ? T(1) : T(0)",
    "leaky_relu": f"z > 0 ? T(1) : T({LEAK})",
    "elu": "z > 0 ? T(1) : exp(z)",
    "gelu": "gelu_slope(z)",
    "gelu_tanh": "gelu_tanh_slope(z)",
    "silu": "logistic(z) + a * logistic(-z)",
    "softplus": "logistic(z)",
}
"""sigma'(z), from z and a."""

COST_SLOPES = {
    "quadratic": "a - y",
    "mean_squared_error": "2 * share * (a - y)",
    "mean_absolute_error": "share * sign(a - y)",
    "huber": "share * huber_slope(a - y)",
}
"""dC_x/da of one output, from y and a; `share` is 1 / n_L."""

ROWS = "const ptrdiff_t start = i / 32 * width, stop = start + width, first = start + i % 32;"
SOFTMAX = f"""{ROWS}
for (ptrdiff_t k = first; k < stop; k += 32) z[k] += b[k - start];
__syncwarp();
T top = z[start], total = 0;
for (ptrdiff_t k = first; k < stop; k += 32) top = fmax(top, z[k]);
top = warp_max(top);
for (ptrdiff_t k = first; k < stop; k += 32) {{ a[k] = exp(z[k] - top); total += a[k]; }}
total = warp_sum(total);
for (ptrdiff_t k = first; k < stop; k += 32) a[k] /= total;"""
SOFTMAX_PULL = f"""{ROWS}
T total = 0;
for (ptrdiff_t k = first; k < stop; k += 32) total += delta[k] * a[k];
total = warp_sum(total);
for (ptrdiff_t k = first; k < stop; k += 32) delta[k] = a[k] * (delta[k] - total);"""
SOFTMAX_CROSS_ENTROPY = f"""{ROWS}
T total = 0;
for (ptrdiff_t k = first; k < stop; k += 32) total += y[k];
total = warp_sum(total);
for (ptrdiff_t k = first; k < stop; k += 32) delta[k] = a[k] * total - y[k];"""


@dataclass(frozen=True)
class Kernels:
    """The kernels of one device, bound to arrays; each is compiled when it first runs."""

    cupy: Any

    def activate(self, name: str, b: Array, z: Array, a: Array) -> Call:
        """Z += b, then a = sigma(z); a may be z itself."""
        if name == "softmax":
            return self._rows("softmax", "raw T b", "raw T z, raw T a", SOFTMAX, (b,), (z, a))
        body = f"z += b; a = {VALUES[name]};"
        return partial(self._kernel(f"activate_{name}", "T b", "T z, T a", body), b, z, a)

    def pull(self, name: str, z: Array, a: Array, delta: Array) -> Call:
        """Delta <- J_sigma^T delta."""
        if name == "softmax":
            return self._rows("softmax_pull", "raw T a", "raw T delta", SOFTMAX_PULL, (a,), (delta,))
        return partial(self._kernel(f"pull_{name}", "T z, T a", "T delta", f"delta *= {SLOPES[name]};"), z, a, delta)

    def error(self, cost: str, name: str, z: Array, a: Array, delta: Array) -> Callable[[Array], object] | None:
        """Fill delta^L from y (equation 1) in one launch; None for the few pairs that have no kernel."""
        if (cost, name) == ("cross_entropy", "softmax"):
            return self._error_of_rows(a, delta)
        if (cost, name) == ("binary_cross_entropy", "sigmoid"):
            slope = "a - y"
        elif cost in COST_SLOPES and name in SLOPES:
            slope = f"({COST_SLOPES[cost]}) * ({SLOPES[name]})"
        else:
            return None
        kernel = self._kernel(f"error_{cost}_{name}", "T y, T z, T a, T share", "T delta", f"delta = {slope};")
        share = 1 / a.shape[1]
        return lambda y: kernel(y, z, a, share, delta)

    def descend(self, rate: float) -> Callable[[Array, Array], None]:
        """(direction, theta): theta <- theta - rate direction."""
        kernel = self._kernel("descend", "T direction, T rate", "T theta", "theta -= rate * direction;")

        def descend(direction: Array, theta: Array) -> None:
            kernel(direction, rate, theta)

        return descend

    def _error_of_rows(self, a: Array, delta: Array) -> Callable[[Array], object]:
        inputs = "raw T y, raw T a, int64 width"
        kernel = self._kernel("error_softmax", inputs, "raw T delta", SOFTMAX_CROSS_ENTROPY)
        (m, width), flat_a, flat_delta = a.shape, a.reshape(-1), delta.reshape(-1)
        return lambda y: kernel(y.reshape(-1), flat_a, width, flat_delta, size=32 * m)

    def _rows(
        self, name: str, inputs: str, outputs: str, body: str, read: tuple[Array, ...], written: tuple[Array, ...]
    ) -> Call:
        """A kernel with one warp for each row of the written arrays, which it sees flat."""
        m, width = written[0].shape
        kernel = self._kernel(name, f"{inputs}, int64 width", outputs, body)
        arrays = [array.reshape(-1) for array in (*read, *written)]
        return partial(kernel, *arrays[: len(read)], width, *arrays[len(read) :], size=32 * m)

    def _kernel(self, name: str, inputs: str, outputs: str, body: str) -> Any:
        return self.cupy.ElementwiseKernel(inputs, outputs, body, f"gradwire_{name}", preamble=PREAMBLE, no_return=True)
