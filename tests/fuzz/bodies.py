"""Bodies to be drawn: right ones, and right ones in which something was changed, in JSON and in safetensors."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.service.codecs.bad_inputs import safetensors

__all__ = ["documents", "json_bodies", "safetensors_bodies"]

ODD = [
    "1e400",
    "-1e400",
    "1e39",
    "3.4028236e38",
    "-0",
    "-0.0",
    "0.1e-400",
    "5e-324",
    "1e-46",
    "18446744073709551615",
    "18446744073709551616",
    "9007199254740993",
    "-9223372036854775808",
    "-9223372036854775809",
    "0.1000000000000000055511151231257827",
    "7.038531e-26",
    "1e",
    "1.",
    ".5",
    "01",
    "+1",
    "-",
    "0x1",
    "1_0",
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "true",
    "false",
    "null",
    '"1"',
    '""',
    "[]",
    "{}",
    "[[]]",
    "[1]",
    '{"a":1}',
    "1E5",
    "1e+5",
    "123456789012345678901234567890",
    "0.30000000000000004",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
]
"""Numbers that readers have differed about, and what stands where a number should."""
PIECES = [*'{}[]:,"\\ \n\t\x00\x1f\x7f', "\\u0000", "\\ud800", "\\", "\ufeff", "é", "//", '"inputs"', '"layer"', *ODD]

_plain = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-(2**70), 2**70).map(str)
_numbers = st.one_of(*[st.integers(-9, 9).map(str)] * 3, *[_plain] * 3, st.sampled_from(ODD))


@st.composite
def _rows(draw: st.DrawFn) -> str:
    """The text of a matrix: mostly right, sometimes ragged, deep, flat or with something odd in it."""
    columns = draw(st.integers(1, 4))
    numbers = st.integers(0, 2).map(str) if draw(st.booleans()) else _numbers
    widths = st.just(columns) if draw(st.integers(0, 9)) else st.integers(0, 4)
    rows = [draw(st.lists(numbers, min_size=width, max_size=width)) for width in draw(st.lists(widths, max_size=6))]
    shape = draw(st.sampled_from(["[{}]"] * 9 + ["[[{}]]", "{}", "[{},]", "[ {} , [1]]"]))
    return shape.replace("{}", ",".join(f"[{','.join(row)}]" for row in rows))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, str]:
    """Fields of any request and the texts of their values."""
    vector = st.lists(_numbers, max_size=4).map(lambda items: f"[{','.join(items)}]")
    layer = st.tuples(st.integers(1, 4), _rows(), vector)
    layers = st.lists(layer.map(lambda at: f'{{"layer":{at[0]},"weights":{at[1]},"biases":{at[2]}}}'), max_size=3)
    spec = st.sampled_from(["tanh", "softmax", "none"]).map(lambda name: f'{{"units":1,"activation":"{name}"}}')
    listed = (layers | st.lists(spec, max_size=3)).map(lambda items: f"[{','.join(items)}]")
    rate = _numbers.map(lambda number: f'{{"kind":"sgd","learning_rate":{number}}}')
    fields = {
        "inputs": _rows() | _numbers,
        "targets": _rows() | vector,
        "layers": listed,
        "parameters": listed,
        "optimizer": rate,
        "name": st.text(max_size=5).map(json.dumps) | _numbers,
        "include": st.just('["layers"]'),
        "dtype": st.sampled_from(['"float32"', '"float64"', "1"]),
        "seed": _numbers,
        "version": _numbers,
    }
    names = draw(st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=4))
    return {name: draw(fields[name]) for name in names}


@st.composite
def _batches(draw: st.DrawFn) -> dict[str, str]:
    """A batch that is right, but for numbers that may be out of range."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    row = st.lists(_plain | st.integers(-9, 9).map(str), min_size=columns, max_size=columns).map(",".join)
    matrix = st.lists(row.map("[{}]".format), min_size=rows, max_size=rows).map(",".join).map("[{}]".format)
    return {name: draw(matrix) for name in draw(st.sampled_from([["inputs"], ["inputs", "targets"]]))}


@st.composite
def json_bodies(draw: st.DrawFn) -> bytes:
    """JSON as text, with a few changes; some are long enough for the fast reader, which leaves short ones alone."""
    fields = [f'"{name}":{text}' for name, text in draw(documents() | _batches()).items()]
    fields += fields[:1] if draw(st.integers(0, 9)) == 0 else []
    text = "{" + ",".join(fields) + "}"
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2, 5]))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(PIECES) | st.just("")) + text[at + draw(st.integers(0, 3)) :]
    padding = " " * draw(st.sampled_from([0, 600]))
    body = (padding + text).encode("utf-8", "surrogatepass")
    return _changed(draw, body) if draw(st.integers(0, 9)) == 0 else body


@st.composite
def safetensors_bodies(draw: st.DrawFn) -> bytes:
    """Tensors that lie one after another, unless something was changed."""
    sizes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1, "BOOL": 1, "X": 1}
    header: dict[str, Any] = {}
    end = 0
    batch = draw(st.booleans())
    some = st.sampled_from([["inputs"], ["inputs", "targets"]]) if batch else st.lists(_tensor_names, unique=True)
    for name in draw(some)[:5]:
        dtype = draw(st.sampled_from(["F64", "F32"] * 4 + list(sizes)))
        shape = [2, draw(st.integers(1, 3))] if batch else draw(st.lists(st.integers(0, 3), max_size=3))
        begin, size = end, sizes[dtype]
        for side in shape:
            size *= side
        end += size
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    if draw(st.integers(0, 2)) == 0:
        rest = "{" + ",".join(f'"{name}":{text}' for name, text in draw(documents()).items()) + "}"
        header["__metadata__"] = {"json": rest}
    if header and draw(st.integers(0, 4)) == 0:
        entry = header[draw(st.sampled_from(sorted(header)))]
        entry[draw(st.sampled_from(["dtype", "shape", "data_offsets", "json", "more"]))] = draw(_leaves)
    data = draw(st.binary(min_size=end, max_size=end)) if draw(st.booleans()) else bytes(end)
    body = safetensors(json.dumps(header), data)
    return _changed(draw, body) if draw(st.integers(0, 3)) == 0 else body


_NAMES = [
    "inputs",
    "targets",
    "2.weights",
    "2.biases",
    "3.weights",
    "layers.2.errors",
    "parameters.2.weights",
    "optimizer.kind",
    "x",
    "../x",
    "a.b.c.d.e",
    "2",
    "2.2",
    ".inputs",
    "inputs.",
    "02.weights",
    "-1.weights",
    "99999999999999999999.weights",
    "__proto__",
    "layers",
]
_tensor_names = st.sampled_from(_NAMES)
_leaves = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def _changed(draw: st.DrawFn, body: bytes) -> bytes:
    """Some bytes changed, left out or added."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 3)) :]
    return body
