"""Documents through both media types: what goes in comes out, and no bytes at all are more than a refusal."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.codecs.documents import parse, render
from service.codecs.media import JSON, SAFETENSORS
from service.errors import ServiceError
from tests.service.codecs import bad_inputs
from tests.service.codecs.reading import MODELS, read

NAMES = st.sampled_from(["inputs", "targets", "outputs", "gradient", "layers", "per_example", "input_gradient"])
ARRAYS = st.sampled_from(["float32", "float64"]).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(max_dims=3, max_side=3),
        elements=hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False),
    )
)
LAYERS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"weights": ARRAYS, "biases": ARRAYS, "errors": ARRAYS, "norm": st.floats(0, 1)}
    ),
    min_size=1,
    max_size=3,
).map(lambda layers: [{"layer": number, **layer} for number, layer in enumerate(layers, 2)])
DOCUMENTS = st.dictionaries(
    NAMES, ARRAYS | LAYERS.filter(lambda layers: all(len(layer) > 1 for layer in layers)), max_size=4
).flatmap(
    lambda arrays: st.fixed_dictionaries({"version": st.integers(0, 9), "cost": st.floats(0, 1)}).map(
        lambda rest: {**arrays, **rest}
    )
)
LAYER = {"layer": 2, "weights": np.ones((1, 2)), "biases": np.zeros(1)}
ROW = np.array([[0.5, -1.0]])
ADAM = {"kind": "adam", "betas": [0.5, 0.9]}
GOOD = [
    ("feedforward", {"inputs": np.array([[0.5, -1.0], [2.0, 3.0]]), "include": ["layers"]}),
    (
        "backprop",
        {"inputs": ROW.astype(np.float32), "targets": np.ones((1, 1), np.float32), "include": ["per_example"]},
    ),
    ("backprop", {"inputs": ROW, "targets": np.array([3])}),
    ("sgd-step", {"inputs": ROW, "targets": np.array([[1.0]]), "optimizer": ADAM}),
    ("put-parameters", {"version": 3, "layers": [LAYER]}),
    ("rename", {"name": 'a "b" \\ é'}),
    ("create", {"inputs": 2, "layers": [{"units": 1, "activation": "tanh"}], "parameters": [LAYER]}),
]


def _bits(value: Any) -> Any:
    """A document with each array as its dtype, shape and bytes, so that equality is that of bits."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: _bits(item) for key, item in value.items()}
    return [_bits(item) for item in value] if isinstance(value, (list, tuple)) else value


@given(DOCUMENTS)
def test_safetensors_come_back_to_the_same_bits(document: dict[str, Any]) -> None:
    assert _bits(parse(render(document, SAFETENSORS), SAFETENSORS)) == _bits(document)


@given(DOCUMENTS)
def test_both_media_types_say_the_same(document: dict[str, Any]) -> None:
    through = parse(render(document, SAFETENSORS), SAFETENSORS)
    assert _bits(parse(render(through, JSON), JSON)) == _bits(parse(render(document, JSON), JSON))


@pytest.mark.parametrize(("to", "document"), GOOD)
def test_good_requests_are_read_alike_in_both_media_types(to: str, document: dict[str, Any]) -> None:
    models = [read(to, render(document, media), {"content-type": media}) for media in (JSON, SAFETENSORS)]
    dumped = [dict(model) for model in models]
    assert repr(dumped[0]).replace(", dtype=float32", "") == repr(dumped[1]).replace(", dtype=float32", "")


BODIES = [(to, media, render(document, media)) for to, document in GOOD for media in (JSON, SAFETENSORS)]
BODIES += [
    (case.to, case.headers["content-type"], case.body)
    for case in bad_inputs.load()
    if len(case.body) < 500 and case.headers.get("content-type") in (JSON, SAFETENSORS)
]
HOSTILE = [b'"', b"\\", b"{", b"]", b"1e999", b"NaN", b"\xff", b"0", b"-", b",", b"null", b"\\ud800"]
WORDS = [
    "F32",
    "F64",
    "I64",
    "BF16",
    "json",
    "{}",
    0,
    1,
    2,
    8,
    -1,
    1.5,
    2**63,
    2**64,
    True,
    None,
    [0, 8],
    [1, 2],
    [1, 1],
]
KEYS = ["inputs", "2.weights", "2.biases", "__metadata__", "dtype", "shape", "data_offsets"]


@settings(max_examples=600)
@given(st.data())
def test_mutated_bytes_are_read_or_refused(data: st.DataObject) -> None:
    to, media, body = data.draw(st.sampled_from(BODIES))
    mutated = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated)))
        match data.draw(st.sampled_from(["set", "insert", "delete", "repeat", "cut"])):
            case "set":
                mutated[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
            case "insert":
                mutated[at:at] = data.draw(st.sampled_from(HOSTILE))
            case "delete":
                del mutated[at : at + data.draw(st.integers(1, 8))]
            case "repeat":
                mutated[at:at] = mutated[at : at + data.draw(st.integers(1, 40))]
            case "cut":
                del mutated[at:]
    _read_or_refuse(to, bytes(mutated), media)


@given(st.sampled_from(sorted(MODELS)), st.binary(max_size=200), st.sampled_from([JSON, SAFETENSORS]))
def test_any_bytes_are_read_or_refused(to: str, body: bytes, media: str) -> None:
    _read_or_refuse(to, body, media)


@given(
    st.sampled_from(sorted(MODELS)),
    st.recursive(
        st.sampled_from(
            [
                "F32",
                "F64",
                "I64",
                "BF16",
                "json",
                0,
                1,
                2,
                8,
                -1,
                1.5,
                2**63,
                2**64,
                True,
                None,
                [0, 8],
                [1, 2],
                [1, 1],
                "{}",
            ]
        ),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(KEYS),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    ),
    st.binary(max_size=16),
)
def test_any_safetensors_header_is_read_or_refused(to: str, header: Any, data: bytes) -> None:
    _read_or_refuse(to, bad_inputs.safetensors(json.dumps(header), data), SAFETENSORS)


def _read_or_refuse(to: str, body: bytes, media: str) -> None:
    try:
        model = read(to, body, {"content-type": media})
    except ServiceError as refused:
        detail = refused.detail.encode("utf-8")  # which a lone surrogate would not let through
        if not 0 < len(detail) < 2000:
            raise AssertionError("an empty or an endless detail") from refused
        return
    for value in dict(model).values():
        if isinstance(value, np.ndarray):
            assert np.isfinite(value).all()
            assert value.size
