"""A model of the parts of CuPy that core.plans.cuda calls, on the CPU: no substitute for a device, but for reading the code.

The text of the kernels is compiled as C++ (a warp is 32 threads that meet at barriers), cuBLAS is written out by columns on bare
addresses, and copies on a stream happen as late as its events allow. Reading a number of the "device" is counted.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

COMPILER = shutil.which("g++")
CTYPES = {"float32": ctypes.c_float, "float64": ctypes.c_double}


class Trips:
    """How often the host has read from the device."""

    count = 0


class Pointer:
    def __init__(self, ptr: int) -> None:
        self.ptr = ptr


class DeviceArray(np.ndarray):
    """An array whose numbers the host cannot see without asking."""

    @property
    def data(self) -> Pointer:
        return Pointer(self.ctypes.data)

    def _read(self, how: Callable[[np.ndarray], Any]) -> Any:
        Trips.count += 1
        return how(self.view(np.ndarray))

    def __float__(self) -> float:
        return float(self._read(float))

    def __int__(self) -> int:
        return int(self._read(int))

    def __index__(self) -> int:
        return int(self._read(int))

    def __bool__(self) -> bool:
        return bool(self._read(bool))

    def get(self) -> np.ndarray:
        return np.array(self._read(np.array))

    def set(self, host: np.ndarray, stream: Stream) -> None:
        assert host.flags.c_contiguous
        assert self.flags.c_contiguous
        assert (host.shape, host.dtype) == (self.shape, self.dtype)
        stream.later(lambda: np.copyto(self.view(np.ndarray), host))


def on_device(value: Any) -> Any:
    return np.asarray(value).view(DeviceArray) if isinstance(value, (np.ndarray, np.generic)) else value


class Stream:
    """Work on it is put off until somebody waits for it; the current stream alone does everything at once."""

    def __init__(self, non_blocking: bool = False, is_current: bool = False) -> None:
        self.is_current, self.pending = is_current, []

    def later(self, work: Callable[[], Any]) -> None:
        self.pending.append(work)
        if self.is_current:
            self.drain(len(self.pending))

    def drain(self, count: int) -> None:
        done, self.pending = self.pending[:count], self.pending[count:]
        for work in done:
            work()

    def wait_event(self, event: Event) -> None:
        self.later(event.synchronize)

    def synchronize(self) -> None:
        self.drain(len(self.pending))


class Event:
    def __init__(self, disable_timing: bool = False) -> None:
        self.stream: Stream | None = None

    def record(self, stream: Stream) -> None:
        self.stream, self.passed = stream, [False]
        passed = self.passed
        stream.later(lambda: passed.__setitem__(0, True))

    def synchronize(self) -> None:
        while self.stream is not None and not self.passed[0]:
            self.stream.drain(1)


class Cublas:
    """By columns, on addresses, with factors in the host's memory: as cublas_api.h has it."""

    CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_DEFAULT_MATH = 0, 1, 0

    def __init__(self) -> None:
        self.modes: dict[int, int] = {}
        self.made = 0
        self.used: set[int] = set()

    def create(self) -> int:
        self.made += 1
        self.modes[self.made] = -1
        return self.made

    def destroy(self, handle: int) -> None:
        del self.modes[handle]

    def setMathMode(self, handle: int, mode: int) -> None:
        self.modes[handle] = mode

    def _matrix(self, dtype: str, ptr: int, rows: int, columns: int, ld: int) -> np.ndarray:
        flat = np.ctypeslib.as_array((CTYPES[dtype] * (ld * columns)).from_address(ptr))
        return flat.reshape(columns, ld)[:, :rows].T

    def _gemm(self, dtype: str, handle: int, ta: int, tb: int, m: int, n: int, k: int, *rest: int) -> None:
        alpha, a, lda, b, ldb, beta, c, ldc = rest
        self.used.add(self.modes[handle])
        left = self._matrix(dtype, a, *((k, m) if ta else (m, k)), lda)
        right = self._matrix(dtype, b, *((n, k) if tb else (k, n)), ldb)
        self._add(
            dtype, alpha, (left.T if ta else left) @ (right.T if tb else right), beta, self._matrix(dtype, c, m, n, ldc)
        )

    def _gemv(self, dtype: str, handle: int, trans: int, m: int, n: int, *rest: int) -> None:
        alpha, a, lda, x, incx, beta, y, incy = rest
        assert (trans, incx, incy) == (0, 1, 1)
        product = self._matrix(dtype, a, m, n, lda) @ self._matrix(dtype, x, n, 1, n)
        self._add(dtype, alpha, product, beta, self._matrix(dtype, y, m, 1, m))

    def _add(self, dtype: str, alpha: int, product: np.ndarray, beta: int, c: np.ndarray) -> None:
        factor, keep = (CTYPES[dtype].from_address(at).value for at in (alpha, beta))
        c[...] = factor * product + (keep * c if keep else 0)

    def __getattr__(self, name: str) -> Any:
        dtype = {"s": "float32", "d": "float64"}[name[0]]
        act = {"gemm": self._gemm, "gemv": self._gemv}[name[1:]]

        def product(*arguments: int) -> None:
            with np.errstate(all="ignore"):
                act(dtype, *arguments)

        return product


WARP = """
#include <thread>
#include <barrier>
#include <vector>
#define __syncwarp() warp.arrive_and_wait()
static std::barrier<> warp(32);
static T exchange[32];
static thread_local int lane_of_thread;
static T __shfl_xor_sync(unsigned mask, T v, int k) {
    exchange[lane_of_thread] = v; warp.arrive_and_wait();
    T other = exchange[lane_of_thread ^ k]; warp.arrive_and_wait();
    return other;
}
"""
SOURCE = """
#include <cmath>
#include <cstddef>
using std::exp; using std::tanh; using std::erfc; using std::expm1; using std::log1p; using std::fmax;
typedef {dtype} T;
typedef long long int64;
#define __device__
{warp}
{preamble}
typedef const std::ptrdiff_t* Strides;
static void at(std::ptrdiff_t i, void** p, Strides rows, Strides columns, std::ptrdiff_t across) {{
{parameters}
{body}
}}
extern "C" void run(std::ptrdiff_t size, void** p, Strides rows, Strides columns, std::ptrdiff_t width) {{
{loop}
}}
"""
SIMPLE = "for (std::ptrdiff_t i = 0; i < size; ++i) at(i, p, rows, columns, width);"
IN_WARPS = """for (std::ptrdiff_t i = 0; i < size; i += 32) {
    std::vector<std::thread> lanes;
    for (int lane = 0; lane < 32; ++lane)
        lanes.emplace_back([=] { lane_of_thread = lane; at(i + lane, p, rows, columns, width); });
    for (auto& each : lanes) each.join();
}"""
PARAMETER = re.compile(r"(raw )?(T|int64) (\w+)$")


class ElementwiseKernel:
    """Compiled for each dtype when it is first called; arrays are broadcast as NumPy does, scalars are arrays ()."""

    folder: Path
    libraries: ClassVar[dict[str, Any]] = {}

    def __init__(self, inputs: str, outputs: str, body: str, name: str, preamble: str, no_return: bool) -> None:
        assert re.fullmatch(r"[A-Za-z_]\w*", name)
        assert no_return
        self.parameters = []
        for written in [*inputs.split(", "), *outputs.split(", ")]:
            found = PARAMETER.match(written)
            assert found is not None, written
            assert found[3] not in {"i", "n", "_ind"}
            self.parameters.append((bool(found[1]), found[2], found[3]))
        self.inputs, self.body, self.preamble = len(inputs.split(", ")), body, preamble

    def __call__(self, *arguments: Any, size: int | None = None) -> None:
        assert len(arguments) == len(self.parameters)
        dtype = next(each.dtype for each in arguments if isinstance(each, DeviceArray))
        kinds = {"T": dtype, "int64": np.dtype(np.int64)}
        arrays = []
        for argument, (raw, kind, _) in zip(arguments, self.parameters, strict=True):
            if isinstance(argument, np.ndarray):
                assert isinstance(argument, DeviceArray), "an array of the host"
                assert argument.dtype == kinds[kind]
                assert raw == (size is not None), "a size is for kernels whose arrays are all raw"
            arrays.append(np.asarray(argument, kinds[kind]).view(np.ndarray))
        shape = np.broadcast_shapes(*(each.shape for each in arrays)) if size is None else ()
        assert size is not None or all(each.shape == shape for each in arrays[self.inputs :])
        self._run(arrays, shape, size, dtype.name)

    def _run(self, arrays: list[np.ndarray], shape: tuple[int, ...], size: int | None, dtype: str) -> None:
        rows, columns = (1,) * (2 - len(shape)) + shape
        views = arrays if size is not None else [np.broadcast_to(each, (rows, columns)) for each in arrays]
        pointers = (ctypes.c_void_p * len(arrays))(*(each.ctypes.data for each in arrays))
        strides = [
            (ctypes.c_ssize_t * len(arrays))(*(0 if size is not None else each.strides[axis] for each in views))
            for axis in (0, 1)
        ]
        count = rows * columns if size is None else size
        self._library(dtype).run(ctypes.c_ssize_t(count), pointers, *strides, ctypes.c_ssize_t(columns))

    def _library(self, dtype: str) -> Any:
        in_warps = "_sync" in self.body or "warp_" in self.body
        preamble = (
            self.preamble
            if in_warps
            else re.sub(r"template[^{]*warp_\w+\(T v\) \{.*?\n\}", "", self.preamble, flags=re.S)
        )
        source = SOURCE.format(
            dtype={"float32": "float", "float64": "double"}[dtype],
            warp=WARP if in_warps else "",
            preamble=preamble,
            parameters="\n".join(self._declared(index) for index in range(len(self.parameters))),
            body=self.body.replace("ptrdiff_t", "std::ptrdiff_t"),
            loop=IN_WARPS if in_warps else SIMPLE,
        )
        if source not in self.libraries:
            self.libraries[source] = ctypes.CDLL(str(self._compiled(source)))
        return self.libraries[source]

    def _declared(self, index: int) -> str:
        raw, kind, name = self.parameters[index]
        const = "const " if index < self.inputs else ""
        if raw:
            return f"{const}{kind}* {name} = ({const}{kind}*)p[{index}];"
        place = f"(char*)p[{index}] + i / across * rows[{index}] + i % across * columns[{index}]"
        return f"{const}{kind}& {name} = *({const}{kind}*)({place});"

    def _compiled(self, source: str) -> Path:
        name = hashlib.sha256(source.encode()).hexdigest()[:16]
        text, library = self.folder / f"{name}.cpp", self.folder / f"{name}.so"
        text.write_text(source)
        assert COMPILER is not None
        subprocess.run(
            [COMPILER, "-std=c++20", "-shared", "-fPIC", "-w", "-o", str(library), str(text), "-lpthread"], check=True
        )
        return library


class Cuda:
    Stream, Event = Stream, Event

    def __init__(self) -> None:
        self.cublas = Cublas()
        self.current = Stream(is_current=True)

    def get_current_stream(self) -> Stream:
        return self.current

    def alloc_pinned_memory(self, nbytes: int) -> bytearray:
        return bytearray(nbytes)


class CupyOnCpu:
    """The module."""

    __name__ = "cupy_on_cpu"
    ElementwiseKernel = ElementwiseKernel

    def __init__(self) -> None:
        self.cuda = Cuda()

    def get_array_module(self, *arrays: Any) -> Any:
        return self if any(isinstance(array, DeviceArray) for array in arrays) else np

    def asnumpy(self, array: Any) -> np.ndarray:
        return array.get() if isinstance(array, DeviceArray) else np.array(array)

    def asarray(self, array: Any, dtype: Any = None, order: Any = None) -> Any:
        if isinstance(array, DeviceArray):
            return np.asarray(array, dtype=dtype, order=order).view(DeviceArray)
        return np.array(array, dtype=dtype, order=order).view(DeviceArray)

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type):
            return function

        def act(*arguments: Any, **named: Any) -> Any:
            with np.errstate(all="ignore"):
                return on_device(function(*arguments, **named))

        return act
