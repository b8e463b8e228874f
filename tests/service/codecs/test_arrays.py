"""Arrays from lists and from tensors: a strict rectangle of finite numbers, or the place of the first fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.codecs.arrays import ArrayError, cast, cast_layers, labels, numbers, targets
from service.errors import InvalidInput

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)
FLOATS = hnp.arrays(np.float64, SHAPES, elements=st.floats(allow_nan=False, allow_infinity=False))


def _fault(read: Any, *arguments: Any) -> tuple[str, str]:
    with pytest.raises(ArrayError) as caught:
        read(*arguments)
    return caught.value.pointer, caught.value.detail


@given(FLOATS)
def test_lists_become_float64(array: np.ndarray) -> None:
    read = numbers(array.tolist(), array.ndim)
    assert read.dtype == np.float64
    assert read.shape == array.shape
    assert read.tobytes() == array.tobytes()


def test_integers_become_numbers() -> None:
    read = numbers([[1, 2.5], [-3, 2**64]], 2)
    assert read.tolist() == [[1.0, 2.5], [-3.0, 2.0**64]]


@given(FLOATS, st.data())
def test_the_first_fault_is_found(array: np.ndarray, data: st.DataObject) -> None:
    """One entry, or two, of a well-formed list are spoiled; the first in reading order is named."""
    nested = array.tolist()
    places = data.draw(st.lists(st.sampled_from(list(np.ndindex(*array.shape))), min_size=1, max_size=2))
    for place in places:
        row = nested
        for index in place[:-1]:
            row = row[index]
        row[place[-1]] = data.draw(
            st.sampled_from(["1", True, None, {}, [], [1.0], float("inf"), float("nan"), 10**400])
        )
    pointer, _ = _fault(numbers, nested, array.ndim)
    assert pointer == "".join(f"/{index}" for index in min(places))


@given(FLOATS.filter(lambda array: array.ndim > 1 and array.shape[0] > 1), st.data())
def test_a_ragged_row_is_found(array: np.ndarray, data: st.DataObject) -> None:
    nested = array.tolist()
    row = data.draw(st.integers(1, array.shape[0] - 1))
    nested[row] = nested[row] + nested[row][:1] if data.draw(st.booleans()) else nested[row][:-1]
    assert _fault(numbers, nested, array.ndim)[0] == f"/{row}"


@pytest.mark.parametrize(
    ("value", "ndim", "pointer"),
    [
        ([], 1, ""),
        ([], 2, ""),
        ([[]], 2, "/0"),
        ([[1], []], 2, "/1"),
        ([[], [1]], 2, "/0"),
        ([[[1]], [[]]], 3, "/1/0"),
        ([[[1, 2]], [[1, 2, 3]]], 3, "/1/0"),
        ([[[1], [2]], [[1]]], 3, "/1"),
        ([1, 2], 2, "/0"),
        ([[1, 2]], 1, "/0"),
        ([[1], 2], 2, "/1"),
        (None, 2, ""),
        ("12", 1, ""),
        ({"0": 1}, 1, ""),
        (1.0, 1, ""),
        ((1.0,), 1, ""),
    ],
)
def test_other_shapes(value: Any, ndim: int, pointer: str) -> None:
    assert _fault(numbers, value, ndim)[0] == pointer


def test_details_say_what_was_found() -> None:
    assert _fault(numbers, [1, "2"], 1)[1] == "A number is expected here, not a string."
    assert _fault(numbers, [1, None], 1)[1] == "A number is expected here, not null."
    assert _fault(numbers, [[1, 2], [3]], 2)[1] == "This row has 1 entries where the first has 2."
    assert _fault(numbers, [1e308, 10**309], 1)[1] == "This number is outside the range of float64."
    assert _fault(targets, [1.0])[1] == "A class label is an integer, not a real number."


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_tensors_are_taken_as_they_are(dtype: str) -> None:
    tensor = np.ones((2, 3), dtype)
    assert numbers(tensor, 2) is tensor


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_tensors_are_finite(dtype: str, bad: float) -> None:
    tensor = np.full((3, 4), np.finfo(dtype).max)  # their squares overflow, and they are finite
    assert numbers(tensor, 2) is tensor
    tensor[1, 2] = tensor[2, 0] = bad
    assert _fault(numbers, tensor, 2) == ("/1/2", "This number is not finite.")


@pytest.mark.parametrize(
    "tensor",
    [
        np.ones(2),
        np.ones((1, 1, 1)),
        np.array(1.0),
        np.ones((0, 2)),
        np.ones((2, 0)),
        np.ones((1, 2), int),
        np.ones((1, 2), bool),
    ],
)
def test_other_tensors(tensor: np.ndarray) -> None:
    assert _fault(numbers, tensor, 2)[0] == ""


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5))
def test_labels_are_int64(values: list[int]) -> None:
    for value in (values, np.array(values, np.int64), np.array(values, np.uint64)):
        read = targets(value)
        assert read.dtype == np.int64
        assert read.tolist() == values
        assert labels(value).tolist() == values


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ([], ""),
        ([0, 1.0], "/1"),
        ([0, True], "/1"),
        ([0, "1"], "/1"),
        ([-1], "/0"),
        ([2**63], "/0"),
        ([0, [1]], "/1"),
        ([[1], 0], "/1"),
        (3, ""),
        (None, ""),
        (np.array([0, -1]), "/1"),
        (np.array([2**63], np.uint64), "/0"),
        (np.array([0.0]), ""),
        (np.array([], np.int64), ""),
        (np.array([True]), ""),
        (np.array([[1]]), ""),
        (np.array(1), ""),
    ],
)
def test_what_is_neither_labels_nor_rows(value: Any, pointer: str) -> None:
    assert _fault(targets, value)[0] == pointer


def test_targets_may_be_rows() -> None:
    assert targets([[1, 0], [0.5, 0.5]]).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_casting_rounds_and_widens() -> None:
    array = np.array([[0.1, 1e-60, -0.0]])
    assert cast(array, "float32", "/x").tobytes() == array.astype(np.float32).tobytes()
    assert cast(array, "float64", "/x") is array
    half = np.array([6e-8, 65504], np.float16)
    assert cast(half, "float32", "/x").tolist() == half.tolist()


def test_casting_refuses_what_overflows() -> None:
    largest = float(np.finfo(np.float32).max)
    assert np.isfinite(cast(np.array([largest, -largest]), "float32", "/x")).all()
    with pytest.raises(InvalidInput) as caught:
        cast(np.array([[1, 2], [3, 1e39], [1e39, 0]]), "float32", "/layers/1/weights")
    assert [fault.pointer for fault in caught.value.faults] == ["/layers/1/weights/1/1"]
    assert "float32" in caught.value.detail


def test_casting_leaves_labels_alone() -> None:
    values = np.array([1, 2**53 + 1])
    assert cast(values, "float32", "/targets") is values


def test_layers_are_cast_with_their_places() -> None:
    layers = [(np.ones((2, 1)), np.ones(2)), (np.ones((1, 2)), np.array([1e39]))]
    with pytest.raises(InvalidInput) as caught:
        cast_layers(layers, "float32", "/layers")
    assert caught.value.faults[0].pointer == "/layers/1/biases/0"
    assert [(w.dtype, b.dtype) for w, b in cast_layers(layers[:1], "float32", "")] == [(np.float32, np.float32)]
