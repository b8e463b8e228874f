"""Lists and tensors become arrays of finite numbers, or the first fault in them is named by its place.

A strict reading: only JSON numbers, only full rectangles with at least one row and one number in each, nothing NaN or
infinite. Numbers are float64 until the network's dtype is known; then `cast` makes them its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.codecs.pointers import join, pointer
from service.errors import Fault, InvalidInput, NonFinite

__all__ = [
    "ArrayError",
    "Leaf",
    "cast",
    "cast_layers",
    "labels",
    "number_leaves",
    "numbers",
    "require_finite",
    "targets",
]

_ORDINARY: Final[dict[object, float]] = {"float32": 1e76, "float64": math.inf}
"""Sums of squares below which every number is one of the dtype's."""

Array = npt.NDArray[Any]
Leaf = Array | np.floating[Any] | float
"""A number or an array of numbers in a document."""


@dataclass(eq=False)
class ArrayError(ValueError):
    """The first thing wrong with an array; `pointer` goes on from the array's own place."""

    pointer: str
    detail: str


def numbers(value: object, ndim: int) -> Array:
    """A finite floating array of `ndim` dimensions from nested lists (float64) or a tensor (its own dtype).

    Raises:
        ArrayError: at the first fault, in reading order.
    """
    if isinstance(value, np.ndarray):
        return _checked_tensor(value, ndim)
    array = _from_lists(value, ndim)
    if array is None:
        raise _first_fault(value, ndim, _expected_shape(value, ndim)) or ArrayError("", "This is not an array.")
    return array


def labels(value: object) -> Array:
    """Class labels (m,) as int64, from a list of JSON integers or a tensor of integers.

    Raises:
        ArrayError: at the first thing that is not an integer from 0 to 2^63-1.
    """
    items: object = value
    if isinstance(value, np.ndarray):
        if value.ndim != 1 or value.dtype.kind not in "iu":
            raise ArrayError(
                "", "Class labels are a list of integers; targets that are not labels are rows of numbers."
            )
        items = value.tolist()
    if not isinstance(items, list) or not items:
        raise ArrayError("", "There must be at least one class label.")
    for index, item in enumerate(items):
        if type(item) is not int:
            raise ArrayError(pointer(index), f"A class label is an integer, not {_kind(item)}.")
        if not 0 <= item < 2**63:
            raise ArrayError(pointer(index), "A class label is not negative and names a class.")
    return np.array(items, dtype=np.int64)


def targets(value: object) -> Array:
    """Targets: rows of numbers (m, n_L), or class labels (m,) as int64.

    Raises:
        ArrayError: at the first fault; a flat list is read as labels.
    """
    flat = value.ndim == 1 if isinstance(value, np.ndarray) else _is_flat(value)
    return labels(value) if flat else numbers(value, 2)


def cast(array: Array, dtype: npt.DTypeLike, place: str) -> Array:
    """A floating array in the network's dtype; class labels (integers) are left as they are.

    Raises:
        InvalidInput: a number is finite, and not in `dtype`; the pointer goes on from `place`, the array's own.
    """
    if array.dtype == dtype or array.dtype.kind in "iu":
        return array
    if _squares(array) < _ORDINARY.get(dtype, 0.0):
        return array.astype(dtype)
    with np.errstate(over="ignore", under="ignore"):
        result = array.astype(dtype)
    if not _all_finite(result):
        index = np.unravel_index(int(np.argmin(np.isfinite(result))), result.shape)
        fault = Fault(join(place, map(int, index)), f"This number is outside the range of {result.dtype}.")
        raise InvalidInput.of(fault)
    return result


def cast_layers(layers: Sequence[tuple[Array, Array]], dtype: npt.DTypeLike, place: str) -> list[tuple[Array, Array]]:
    """`cast` for a list of (weights, biases), one pair a layer, where `place` points to the list."""
    return [
        (cast(w, dtype, f"{place}/{index}/weights"), cast(b, dtype, f"{place}/{index}/biases"))
        for index, (w, b) in enumerate(layers)
    ]


def number_leaves(document: object) -> list[Leaf]:
    """The floating arrays and numbers in a document."""
    found: list[Leaf] = []
    waiting = [document]
    for value in waiting:  # which grows meanwhile
        if isinstance(value, np.ndarray):
            if value.dtype.kind == "f":
                found.append(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, (float, np.floating)):
            found.append(value)
    return found


def require_finite(leaves: Iterable[Leaf]) -> None:
    """Raise NonFinite where an answer holds a NaN or an infinity: none may leave."""
    for leaf in leaves:
        if not (_all_finite(leaf) if isinstance(leaf, np.ndarray) else math.isfinite(leaf)):
            raise NonFinite("The answer holds a number that is not finite.")


def _from_lists(value: object, ndim: int) -> Array | None:
    """The array of a well-formed nested list, or None where anything at all is wrong."""
    flat: Any = value
    shape: list[int] = []
    for depth in range(ndim):
        if depth:
            flat = list(chain.from_iterable(flat))
        elif type(flat) is not list:
            return None
        shape.append(len(flat))
        if depth + 1 < ndim and (set(map(type, flat)) != {list} or len(set(map(len, flat))) != 1):
            return None
    if not flat or not set(map(type, flat)) <= {int, float}:
        return None
    try:
        array = np.array(flat, dtype=np.float64)
    except OverflowError:
        return None
    sides = [b // a for a, b in zip([1, *shape], shape, strict=False)]
    return array.reshape(sides) if _all_finite(array) else None


def _expected_shape(value: object, ndim: int) -> list[int]:
    """The lengths along the first elements, which all others must have."""
    shape = []
    for _ in range(ndim):
        shape.append(len(value) if isinstance(value, list) else 0)
        value = value[0] if isinstance(value, list) and value else None
    return shape


def _first_fault(value: object, ndim: int, shape: Sequence[int], path: tuple[int, ...] = ()) -> ArrayError | None:
    if ndim == len(path):
        return _number_fault(value, path)
    if not isinstance(value, list):
        what = "A list of numbers" if ndim - len(path) == 1 else "A list of lists"
        return ArrayError(pointer(*path), f"{what} is expected here, not {_kind(value)}.")
    if not value:
        return ArrayError(pointer(*path), "This list is empty.")
    if path and len(value) != shape[len(path)]:
        detail = f"This row has {len(value)} entries where the first has {shape[len(path)]}."
        return ArrayError(pointer(*path), detail)
    for index, item in enumerate(value):
        if fault := _first_fault(item, ndim, shape, (*path, index)):
            return fault
    return None


def _number_fault(value: object, path: tuple[int, ...]) -> ArrayError | None:
    if type(value) is int or type(value) is float:
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        return None if finite else ArrayError(pointer(*path), "This number is outside the range of float64.")
    return ArrayError(pointer(*path), f"A number is expected here, not {_kind(value)}.")


def _checked_tensor(value: Array, ndim: int) -> Array:
    if value.dtype.kind != "f":
        raise ArrayError("", f"A floating tensor is expected here, not {value.dtype}; integers are for class labels.")
    if value.ndim != ndim:
        raise ArrayError("", f"A tensor of {ndim} dimensions is expected here, not {value.ndim}.")
    if value.size == 0:
        raise ArrayError("", "This tensor is empty.")
    if not _all_finite(value):
        index = np.unravel_index(int(np.argmin(np.isfinite(value))), value.shape)
        raise ArrayError(pointer(*map(int, index)), "This number is not finite.")
    return value


def _all_finite(array: Array) -> bool:
    # The sum overflows only for huge numbers, which then get the exact test.
    return math.isfinite(_squares(array)) or bool(np.isfinite(array).all())


def _squares(array: Array) -> float:
    """The sum of all squares: one pass of BLAS, without a temporary."""
    flat = array.reshape(-1) if array.flags.c_contiguous else np.ravel(array)
    return float(np.vdot(flat, flat))  # which, unlike `dot`, warns of no overflow


def _is_flat(value: object) -> bool:
    return isinstance(value, list) and bool(value) and not isinstance(value[0], list)


_KINDS = {
    bool: "true or false",
    type(None): "null",
    str: "a string",
    dict: "an object",
    list: "a list",
    float: "a real number",
    int: "an integer",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a tensor")
