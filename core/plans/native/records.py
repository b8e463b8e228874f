"""Bound calls told as records for `run.c`: which function, on which memory.

Invariant: a record does what its call does, with the same product of BLAS, or with NumPy's own loop. A call that cannot be told
that way has no record, and stays Python's.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from core.plans.calls import Given, Product, Step, Waiting, real
from core.plans.native.library import loop_address
from core.plans.openblas import address_of
from core.types import Array

__all__ = ["END", "Record", "Word", "records_of"]

Word = int | bytes | Given
"""A number; a constant of eight bytes, of which the address is meant; or an array of the batch, of which the address is meant."""

Record = list[Word]
"""The words of one operation; `run.c` says which."""

END, _LOOP, _GEMM, _GEMV, _DOT_F32, _DOT_F64, _MASK_F32, _MASK_F64 = range(8)
_PRODUCTS = {"sgemm": _GEMM, "dgemm": _GEMM, "sgemv": _GEMV, "dgemv": _GEMV, "sdot": _DOT_F32, "ddot": _DOT_F64}
_MASKS = {"f": _MASK_F32, "d": _MASK_F64}
_OPERANDS, _AXES = 3, 2


def records_of(step: Step) -> list[Record] | None:
    """The records of one operation, or None."""
    if isinstance(step, Product):
        return [_product(step)]
    if isinstance(step, Waiting):
        return _told(step.function, (*step.before, step.given, *step.after))
    if isinstance(step, partial) and not step.keywords:
        return _told(step.func, step.args)
    return None


def _product(product: Product) -> Record:
    out = () if product.out is None else (product.out.ctypes.data,)
    arguments = (_argument(product.name, each) for each in product.arguments)
    return [_PRODUCTS[product.name], address_of(product.name), *arguments, *out]


def _argument(name: str, argument: Array | Given | int | float | bytes) -> Word:
    if isinstance(argument, Given):
        return argument
    if isinstance(argument, int):
        return struct.pack("=ii", argument, 0)
    if isinstance(argument, float):
        return bytes(real(name)(argument)).ljust(8, b"\0")
    return argument.ljust(8, b"\0") if isinstance(argument, bytes) else argument.ctypes.data


def _told(function: object, arguments: tuple[Any, ...]) -> list[Record] | None:
    if function is np.multiply and isinstance(arguments[1], np.ndarray) and arguments[1].dtype == np.bool_:
        return _masked(*arguments)
    if isinstance(function, np.ufunc):
        return _loop(function, arguments)
    if function is np.copyto:
        return _loop(np.positive, arguments[::-1])
    if function == np.maximum.reduce:
        return _maximum(*arguments)
    return None


@dataclass(frozen=True)
class _Operand:
    """Where an array is, or will be."""

    address: Word
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    kind: str

    @classmethod
    def of(cls, argument: Array | Given, out: Array) -> _Operand:
        """An array; or the transpose (n, m) of one of the batch's, which goes into an `out` of that shape."""
        if isinstance(argument, Given):
            return cls(argument, out.shape, (out.itemsize, len(out) * out.itemsize), out.dtype.char)
        return cls(argument.ctypes.data, argument.shape, argument.strides, argument.dtype.char)

    def strides_along(self, shape: tuple[int, ...]) -> list[int]:
        """Its strides when it is repeated to that shape, without the axes of one element."""
        own = [0 if size == 1 else stride for size, stride in zip(self.shape, self.strides, strict=True)]
        spread = [0] * (len(shape) - len(own)) + own
        return [stride for size, stride in zip(shape, spread, strict=True) if size != 1]


def _loop(ufunc: np.ufunc, arguments: Sequence[Array | Given]) -> list[Record] | None:
    """NumPy's loop along the last axis, for each row; or a single one, where that is the same."""
    out = arguments[-1]
    if len(arguments) != ufunc.nargs or not isinstance(out, np.ndarray) or out.ndim > _AXES:
        return None
    operands = [_Operand.of(each, out) for each in arguments]
    kinds = [each.kind for each in operands]
    address = loop_address(ufunc, f"{''.join(kinds[: ufunc.nin])}->{kinds[-1]}")
    if address is None:
        return None
    shape = [size for size in out.shape if size != 1]
    strides = [each.strides_along(out.shape) for each in operands]
    if len(shape) == _AXES and all(outer == shape[1] * inner for outer, inner in strides):
        shape, strides = [shape[0] * shape[1]], [[inner] for _, inner in strides]
    rows, count = [1, 1, *shape][-_AXES:]
    outer, inner = zip(*([0, 0, *each][-_AXES:] for each in strides), strict=True)
    return [_loop_record(address, rows, count, [each.address for each in operands], inner, outer)]


def _loop_record(
    address: tuple[int, int], rows: int, count: int, places: Sequence[Word], inner: Sequence[int], outer: Sequence[int]
) -> Record:
    none = [0] * (_OPERANDS - len(places))
    return [_LOOP, *address, rows, count, *places, *none, *inner, *none, *outer, *none]


def _masked(numbers: Array, mask: Array, out: Array) -> list[Record] | None:
    """Numbers times booleans, in place: NumPy would convert the booleans first, in a buffer."""
    in_place = out.ctypes.data == numbers.ctypes.data and out.shape == numbers.shape == mask.shape
    if not in_place or not all(each.flags.c_contiguous for each in (out, numbers, mask)):
        return None
    return [[_MASKS[out.dtype.char], out.size, out.ctypes.data, mask.ctypes.data]]


def _maximum(source: Array, axis: int, dtype: None, out: Array, keepdims: bool) -> list[Record] | None:
    """The largest of each column: the first row, then the larger of that and each other."""
    first = _loop(np.positive, (source[:1], out))
    address = loop_address(np.maximum, f"{source.dtype.char * 2}->{out.dtype.char}")
    if axis != 0 or dtype is not None or not keepdims or first is None or address is None:
        return None
    row, item = source.strides
    largest = out.ctypes.data
    places = [largest, source.ctypes.data + row, largest]
    others = _loop_record(address, len(source) - 1, source.shape[1], places, [item] * _OPERANDS, [0, row, 0])
    return [*first, others]
