"""JSON in: nothing is forgiven and everything is found. JSON out: arrays natively, to the same bits."""

from __future__ import annotations

import json as stdlib
import math
import time
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.codecs import json
from service.codecs.arrays import cast, numbers
from service.errors import InvalidInput, MalformedBody, NonFinite

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
DOCUMENTS = st.dictionaries(
    st.text(max_size=10),
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_size=5,
)


@given(DOCUMENTS, st.booleans())
def test_reads_what_the_standard_library_writes(document: dict[str, Any], escaped: bool) -> None:
    body = stdlib.dumps(document, ensure_ascii=escaped).encode("utf-8")
    assert json.parse(body) == document


@given(DOCUMENTS)
def test_the_standard_library_reads_what_is_written(document: dict[str, Any]) -> None:
    assert stdlib.loads(json.render(document)) == document


@given(DOCUMENTS, st.text(max_size=5), st.data())
def test_a_repeated_field_is_always_found(document: dict[str, Any], name: str, data: st.DataObject) -> None:
    members = [*document.items(), (name, 1), (name, data.draw(SCALARS))]
    members = data.draw(st.permutations(members))
    escaped = data.draw(st.booleans())
    text = ", ".join(
        f"{stdlib.dumps(k, ensure_ascii=escaped)}: {stdlib.dumps(v, ensure_ascii=escaped)}" for k, v in members
    )
    where = data.draw(st.sampled_from(["{%s}", '{"a": {%s}}', '{"a": [[1], {%s}]}', '{"a": [0, [{%s}]]}']))
    with pytest.raises(InvalidInput, match="more than once"):
        json.parse((where % text).encode("utf-8"))


def test_every_fault_is_named_up_to_twenty() -> None:
    with pytest.raises(InvalidInput) as caught:
        json.parse(b'{"a": NaN, "b": [1, -Infinity, {"c": 1e999}], "a": "\\ud800"}')
    assert [fault.pointer for fault in caught.value.faults] == ["/a", "/a", "/b/1", "/b/2/c"]
    with pytest.raises(InvalidInput) as caught:
        json.parse(b'{"a": [' + b"NaN, " * 100 + b"1]}")
    assert [fault.pointer for fault in caught.value.faults] == [f"/a/{index}" for index in range(20)]


def test_broken_json_names_the_line_and_the_column() -> None:
    with pytest.raises(MalformedBody, match="line 2, column 6"):
        json.parse(b'{"a":\n   1 2}')
    with pytest.raises(MalformedBody, match="byte 7"):
        json.parse(b'{"a": "\xff"}')


def test_pairs_of_surrogates_are_characters() -> None:
    assert json.parse(b'{"name": "\\ud83d\\ude00"}') == {"name": "\U0001f600"}


@given(
    st.recursive(st.just(b""), lambda inner: inner.map(lambda body: b'[{"a": ' + (body or b"1") + b"}]"), max_leaves=8),
    st.integers(1, 2000),
)
def test_no_depth_is_a_crash(inner: bytes, depth: int) -> None:
    body = b'{"a": ' + b"[" * depth + inner + b"]" * depth + b"}"
    try:
        json.parse(body)
    except (InvalidInput, MalformedBody):
        assert depth > 30 or inner == b""


def test_a_large_bad_body_is_refused_in_a_moment() -> None:
    body = b'{"inputs": [[' + b"1.5, " * 400_000 + b"NaN]]}"
    begun = time.process_time()
    with pytest.raises(InvalidInput, match="NaN"):
        json.parse(body)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
def test_arrays_come_back_to_the_same_bits(dtype: str, data: st.DataObject) -> None:
    elements = hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False)
    array = data.draw(hnp.arrays(dtype, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=elements))
    back = cast(numbers(json.parse(json.render({"a": array}))["a"], 2), dtype, "/a")
    assert back.tobytes() == array.tobytes()
    assert back.shape == array.shape


@given(st.integers(0, 2**32 - 1).map(lambda bits: np.array([bits], np.uint32).view(np.float32)))
def test_any_float32_survives_a_client_that_reads_float64(array: np.ndarray) -> None:
    if np.isfinite(array).all():
        assert np.float32(stdlib.loads(json.render({"a": array}))["a"][0]).tobytes() == array.tobytes()


def test_the_float32_whose_shortest_digits_mislead() -> None:
    misleading = np.array([0x15AE43FD, 0x95AE43FD], np.uint32).view(np.float32)
    # 7.038531e-26 is nearest to it in float32, but lies half way to its neighbor once rounded to float64.
    for array in (misleading, misleading[1], misleading.reshape(2, 1).T):
        back = np.array(stdlib.loads(json.render({"a": [{"b": array}]}))["a"][0]["b"])
        assert back.astype(np.float32).tobytes() == array.tobytes()


def test_float32_is_written_at_its_own_shortest() -> None:
    array = np.array([0.1, 1e-45, -0.0, 16777216, 3.4028235e38], np.float32)
    assert json.render({"a": array, "b": array[0]}) == b'{"a":[0.1,1e-45,-0.0,16777216.0,3.4028235e+38],"b":0.1}'


def test_arrays_of_any_layout() -> None:
    array = np.arange(6.0).reshape(2, 3)
    expected = b'{"a":[[0.0,3.0],[1.0,4.0],[2.0,5.0]]}'
    assert json.render({"a": array.T}) == expected
    assert json.render({"a": np.asfortranarray(array.T)}) == expected
    assert json.render({"a": array[:, ::2]}) == b'{"a":[[0.0,2.0],[3.0,5.0]]}'


def test_scalars_and_empty_arrays() -> None:
    document = {
        "zero_d": np.array(0.1, np.float32),
        "int": np.int64(3),
        "none": np.zeros((0, 3)),
        "flat": np.zeros(0),
    }
    assert json.render(document) == b'{"zero_d":0.1,"int":3,"none":[],"flat":[]}'


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_answer_holds_what_is_not_finite(bad: float, dtype: str) -> None:
    array = np.array([[1.0, bad]], dtype)
    for document in (
        {"a": array},
        {"a": [{"layer": 2, "w": array}]},
        {"a": bad},
        {"a": array[0, 1]},
        {"a": [1.0, bad]},
        {"a": np.array(bad)},
    ):
        with pytest.raises(NonFinite):
            json.render(document)


def test_huge_numbers_are_finite() -> None:
    for dtype in (np.float32, np.float64):
        array = np.full((2, 2), np.finfo(dtype).max)
        assert cast(numbers(json.parse(json.render({"a": array}))["a"], 2), dtype, "").tobytes() == array.tobytes()


@pytest.mark.parametrize("shape", [(400_000,), (3, 200_000), (1000, 300), (2, 300, 500)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arrays_are_written_in_pieces_to_the_same_text(shape: tuple[int, ...], dtype: type) -> None:
    array = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    document = {"outputs": array, "layers": [{"layer": 2, "turned": array.T, "small": array.ravel()[:3]}], "version": 1}
    turned = np.ascontiguousarray(array.T)
    plain = {**document, "layers": [{**document["layers"][0], "turned": turned}]}
    assert json.render(document) == orjson.dumps(plain, option=orjson.OPT_SERIALIZE_NUMPY)
