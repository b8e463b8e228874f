"""The fast reader of JSON reads what the careful one reads, to the same numbers, and leaves everything odd to it."""

from __future__ import annotations

import json as stdlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.codecs import json, matrices
from service.codecs.arrays import numbers
from service.errors import InvalidInput, ServiceError
from service.schemas.computing import Backprop, Feedforward
from service.schemas.validation import validate
from tests.service.codecs import bad_inputs
from tests.service.codecs.reading import read

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = NUMBERS | st.sampled_from([True, None, "x", "[", "[[", "", {}, [], "é"])
ROWS = st.lists(st.lists(NUMBERS, min_size=1, max_size=4), min_size=1, max_size=4)
ODD = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=12)
VALUES = ROWS | ODD | st.lists(ROWS, max_size=2) | st.dictionaries(st.sampled_from("ab["), ROWS | ODD, max_size=2)
WORDS = [
    b"",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"0",
    b"-",
    b".",
    b"e",
    b'"',
    b"\\",
    b"\xff",
    b"\xc3\xa9",
    b"\0",
    b" ",
    b"\x0b",
]
DOCUMENTS = st.dictionaries(st.sampled_from(["inputs", "targets", "b", "[", "é"]), VALUES, max_size=3)


def same(found: Any, wanted: Any) -> None:
    """Arrays as `numbers` makes them of the lists that the careful reader gives, to the bits, and everything else as it is."""
    if isinstance(found, np.ndarray):
        np.testing.assert_array_equal(found, numbers(wanted, 2), strict=True)
        assert found.tobytes() == numbers(wanted, 2).tobytes()
    elif isinstance(found, dict):
        assert found.keys() == wanted.keys()
        for key, item in found.items():
            same(item, wanted[key])
    elif isinstance(found, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    else:
        assert (type(found), found) == (type(wanted), wanted)


def check(body: bytes | bytearray) -> matrices.WithMatrices | None:
    found = matrices.read(body, smallest=0)
    if found is not None:
        same(found, json.parse(body))
    return found


@given(DOCUMENTS, st.booleans())
@example({"inputs": [[1, [2]], [3, 4]]}, False)
@example({"inputs": [[1, []], [[2, 3], 4]]}, False)
@example({"inputs": [[], []], "b": [[[1.0]]]}, False)
@example({"inputs": [[1.0]], "b": "["}, False)
@example({"inputs": [[2**63, -(2**63), 2**64 - 1]]}, False)
@example({"inputs": [[-0.0, 5e-324, 1.7976931348623157e308]]}, False)
def test_what_it_reads_is_what_the_careful_reader_reads(document: dict[str, Any], blanks: bool) -> None:
    check(stdlib.dumps(document, ensure_ascii=False, indent=1 if blanks else None).encode())


@given(DOCUMENTS, st.data())
def test_texts_that_were_damaged(document: dict[str, Any], data: st.DataObject) -> None:
    text = bytearray(stdlib.dumps(document, ensure_ascii=False).encode())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.sampled_from([*WORDS, b"[[1]]", b"[[2, 3]]"]))
    check(bytes(text))


TEXT = (
    '{"name": "é [[ ] 1", "inputs": [[1.5, -2e-3], [0, 123456789.25]], "layers": [{"weights": [[1]], "biases": [1]}, {"b": "["}],'
    ' "more": {"[[1]]": [[7, 8.5]], "flat": [1, 2]}}'
).encode()


def test_a_document_of_every_kind() -> None:
    found = check(TEXT)
    assert found is not None
    assert [type(value) for value in found.values()] == [str, np.ndarray, list, dict]
    assert (found["layers"][0]["weights"], found["layers"][0]["biases"]) == (np.ones((1, 1)), [1])
    assert (found["more"]["[[1]]"] == [[7, 8.5]]).all()


def test_texts_that_break_off() -> None:
    for end in range(len(TEXT)):
        for rest in (b"", b"]", b"}", b"]]}", b'"', b"\0"):
            check(TEXT[:end] + rest)
        for at in range(0, end, 7):
            check(TEXT[:at] + TEXT[end:])


@given(st.data())
def test_texts_with_something_in_any_place(data: st.DataObject) -> None:
    text = bytearray(TEXT)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.sampled_from([*WORDS, b"[[1]]", b'"a": [[2, 3]],']))
    check(bytes(text))
    check(text)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_rows_of_numbers_are_read_here_to_the_same_bits(array: np.ndarray) -> None:
    found = check(json.render({"inputs": array, "targets": [0] * len(array)}))
    assert found is not None
    np.testing.assert_array_equal(found["inputs"].astype(np.float32), array, strict=True)
    assert np.array_equal(np.signbit(found["inputs"]), np.signbit(array)) or not array.all()
    assert found["targets"] == [0] * len(array)


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs": [[1, 2]], "inputs": [[1, 2]]}',
        '{"a": {"b": 1, "b": 2}}',
        '{"inputs": [[1, 2], [3]]}',
        '{"inputs": [[1, 2], 3]}',
        '{"inputs": [[1, "2"]]}',
        '{"inputs": [[1, true]]}',
        '{"inputs": [[1, null]]}',
        '{"inputs": [[1e999]]}',
        '{"inputs": [[NaN]]}',
        '{"inputs": [[1]], "name": "\\u0041"}',
        '{"inputs": [[[1]]]}',
        '{"inputs": [[1, [2]]]}',
        '{"inputs": [[1], [[2]]]}',
        '{"inputs": [1, [[2]]]}',
        '{"inputs": [{"a": 1}, [[2]]]}',
        '{"inputs": {"a": [[[2]], 1]}}',
        '{"inputs": [[1.]]}',
        '{"inputs": [[01]]}',
        '{"inputs": [[+1]]}',
        '{"inputs": [[-]]}',
        '{"inputs": [[1],]}',
        "{[[1]]: 2}",
        '{"inputs": [[1]] [[2]]}',
        '{"inputs": [[1]], "a": "\x00"}',
        '{"inputs": [[1]], "a": [[0]], "a": [[1]]}',
        '{"inputs": [[1]], "b": "\\"[[2]]\\""}',
        '\ufeff{"inputs": [[1]]}',
        "[[1]]",
        '{"inputs": [[1]]} {}',
        "",
    ],
)
def test_what_is_odd_is_left_to_the_careful_reader(text: str) -> None:
    assert matrices.read(text.encode(), smallest=0) is None


def test_small_bodies_are_left_to_it_too() -> None:
    assert matrices.read(b'{"inputs": [[1]]}') is None


@pytest.mark.parametrize("case", bad_inputs.load(), ids=lambda case: case.name)
def test_the_corpus_of_bad_inputs_is_refused_in_the_same_words(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    for smallest in (0, 2**60):
        monkeypatch.setattr(matrices.read, "__defaults__", (smallest,))
        with pytest.raises(ServiceError) as caught:
            read(case.to, case.body, case.headers)
        said.append((type(caught.value), vars(caught.value)))
    assert said[0] == said[1]


def test_a_fault_in_an_array_that_was_read_here_has_its_place() -> None:
    rows = [[0.5] * 100] * 3
    body = stdlib.dumps({"inputs": rows, "targets": [[1.0] * 100, [1.0] * 100], "more": 1}).encode()
    document = matrices.read(body)
    assert document is not None
    with pytest.raises(InvalidInput) as caught:
        validate(Backprop, document)
    assert [fault.pointer for fault in caught.value.faults] == ["/more"]
    body = stdlib.dumps({"inputs": [rows, rows]}).encode()
    assert matrices.read(body) is None
    with pytest.raises(InvalidInput) as caught:
        validate(Feedforward, json.parse(body))
    assert caught.value.faults[0].pointer == "/inputs/0/0"


def test_a_vector_where_rows_stand() -> None:
    document = matrices.read(stdlib.dumps({"inputs": [[0.5] * 300], "include": [["layers"]]}).encode())
    assert document is None or validate_fails(document) == "/include/0"


def validate_fails(document: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        validate(Feedforward, document)
    return caught.value.faults[0].pointer


def test_many_threads_read_at_once() -> None:
    bodies = [json.render({"inputs": np.full((20, 50), value, np.float64)}) for value in range(8)]

    def many(which: int) -> bool:
        found = [matrices.read(bodies[which]) for _ in range(100)]
        return all(one is not None and (one["inputs"] == which).all() for one in found)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(many, range(8)))


def test_what_was_read_outlives_the_next_reading() -> None:
    first = matrices.read(json.render({"inputs": np.full((20, 50), 1.5)}))
    for value in range(5):
        matrices.read(json.render({"inputs": np.full((20, 50), float(value))}))
    assert first is not None
    assert (first["inputs"] == 1.5).all()


def test_as_deep_as_the_careful_reader_goes() -> None:
    for depth in (10, 60, *range(1015, 1030), 5000):
        body = b'{"a":' * depth + b"[[1]]" + b"}" * depth
        if matrices.read(body, smallest=0) is not None:
            json.parse(body)


@pytest.mark.parametrize("part", [b"[[1]],", b'"[[",', b"[[[1]]],", b'{"a":[[1]]},'])
def test_what_is_there_a_hundred_thousand_times_costs_little(part: bytes) -> None:
    body = b'{"a": [' + part * 100_000 + b"1]}"
    begun = time.process_time()
    assert matrices.read(body) is None
    assert time.process_time() - begun < 0.5


def test_a_text_that_is_mostly_no_rows_is_left_where_that_would_take_too_long() -> None:
    body = stdlib.dumps({"inputs": [[0.5] * 200], "targets": list(range(500))}).encode()
    assert matrices.read(body, rest=len(body)) is not None
    assert matrices.read(body, rest=1000) is None
