"""Safetensors, against the format's own library: what it writes is read, and it reads what is written."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy as peer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.codecs import safetensors, safetensors_out
from service.errors import MalformedBody, NonFinite, TooLarge
from tests.service.codecs import bad_inputs

DTYPES = ["float16", "float32", "float64"]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def _arrays(dtypes: list[str], min_dims: int = 0, min_side: int = 0) -> st.SearchStrategy[np.ndarray]:
    shapes = hnp.array_shapes(min_dims=min_dims, max_dims=3, min_side=min_side, max_side=4)
    return st.sampled_from(dtypes).flatmap(
        lambda dtype: hnp.arrays(
            dtype, shapes, elements=hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False)
        )
    )


@given(st.dictionaries(st.sampled_from(["inputs", "targets", "a.b", "x1"]), _arrays([*DTYPES, *INTEGERS])))
def test_reads_what_the_library_writes(tensors: dict[str, np.ndarray]) -> None:
    document = safetensors.parse(peer.save(tensors, {"json": '{"include": ["layers"]}', "format": "np"}))
    assert document.pop("include") == ["layers"]
    flat = {f"a.{k}" if k == "b" else k: v for k, v in (document | document.pop("a", {})).items()}
    assert flat.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert flat[name].dtype == tensor.dtype
        assert flat[name].shape == tensor.shape
        assert flat[name].tobytes() == tensor.tobytes()


@given(
    st.dictionaries(st.sampled_from(["inputs", "targets", "outputs"]), _arrays([*DTYPES, *INTEGERS], 1)), st.booleans()
)
def test_the_library_reads_what_is_written(tensors: dict[str, np.ndarray], transposed: bool) -> None:
    arrays = {name: tensor.T if transposed else tensor for name, tensor in tensors.items()}
    read = peer.load(safetensors_out.render({**arrays, "version": 3}))
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        assert read[name].tobytes() == np.ascontiguousarray(array).tobytes()


def test_views_of_every_layout_are_written_right() -> None:
    base = np.arange(24.0).reshape(2, 3, 4)
    views = {
        "t": base[0].T,
        "f": np.asfortranarray(base[0]),
        "s": base[:, ::2, ::-1],
        "r": base[::-1],
        "b": np.broadcast_to(1.0, (2, 3)),
        "swapped": base[0].astype(">f8"),
    }
    read = peer.load(safetensors_out.render(dict(views)))
    for name, view in views.items():
        np.testing.assert_array_equal(read[name], view)


def test_what_is_not_an_array_is_in_the_metadata() -> None:
    body = safetensors_out.render(
        {"outputs": np.ones((1, 2)), "cost": 0.1, "version": 7, "zero_d": np.array(0.5, np.float32), "name": "é\n"}
    )
    header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
    assert json.loads(header["__metadata__"]["json"]) == {"cost": 0.1, "version": 7, "zero_d": 0.5, "name": "é\n"}
    assert header.keys() == {"__metadata__", "outputs"}


def test_names_are_those_of_the_contract() -> None:
    layer = {"layer": 2, "weights": np.ones((1, 1)), "biases": np.ones(1)}
    read = peer.load(
        safetensors_out.render(
            {
                "version": 0,
                "layers": [layer],
                "gradient": [layer],
                "per_example": [{"layer": 3, "biases": np.ones((1, 1))}],
            }
        )
    )
    assert set(read) == {"2.weights", "2.biases", "gradient.2.weights", "gradient.2.biases", "per_example.3.biases"}


def test_tensors_are_views_of_the_body() -> None:
    array = np.arange(6.0).reshape(2, 3)
    body = safetensors_out.render({"inputs": array})
    read = safetensors.parse(body)["inputs"]
    assert not read.flags.writeable
    assert np.shares_memory(read, np.frombuffer(body, np.uint8))


@pytest.mark.parametrize("blanks", range(8))
def test_unaligned_tensors_are_read_aligned(blanks: int) -> None:
    header = '{"inputs":{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]}}' + " " * blanks
    read = safetensors.parse(bad_inputs.safetensors(header, np.array([1.5, -0.0]).tobytes()))["inputs"]
    assert read.flags.aligned
    assert read.tobytes() == np.array([1.5, -0.0]).tobytes()


def test_written_tensors_are_aligned_whatever_their_dtypes() -> None:
    body = safetensors_out.render(
        {"a": np.ones(3, np.float16), "b": np.ones(3), "c": np.ones(1, np.float32), "version": 1}
    )
    for array in (value for value in safetensors.parse(body).values() if isinstance(value, np.ndarray)):
        assert np.shares_memory(array, np.frombuffer(body, np.uint8))  # aligned, or it would have been copied


def test_a_body_without_metadata_or_tensors() -> None:
    assert safetensors.parse(peer.save({})) == {}
    assert safetensors.parse(peer.save({}, {"json": '{"name": "a"}'})) == {"name": "a"}
    assert safetensors.parse(peer.save({}, {"format": "pt"})) == {}


def test_the_figures_of_a_header_that_is_too_large() -> None:
    with pytest.raises(TooLarge) as caught:
        safetensors.parse(bad_inputs.safetensors("{}" + " " * 1_000_000, b""))
    assert caught.value.figures == {"header_bytes": 1_000_002, "limit": 1_000_000}
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    entries = {f"t{n}": empty for n in range(safetensors.MAX_TENSORS)}
    assert len(safetensors.parse(bad_inputs.safetensors(json.dumps(entries), b""))) == safetensors.MAX_TENSORS


@pytest.mark.parametrize("shape", [[0, 2**63], [0, 2**40, 2**40], [2**64, 0], [2**62, 4], [2**31] * 8])
def test_a_huge_shape_is_no_tensor(shape: list[int]) -> None:
    header = json.dumps({"inputs": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}})
    with pytest.raises(MalformedBody):
        safetensors.parse(bad_inputs.safetensors(header, b""))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_answer_holds_what_is_not_finite(bad: float) -> None:
    documents: list[dict[str, Any]] = [
        {"a": np.array([[1.0, bad]])},
        {"a": [{"layer": 2, "w": np.array([bad], np.float32)}]},
        {"cost": bad},
    ]
    for document in documents:
        with pytest.raises(NonFinite):
            safetensors_out.render(document)
