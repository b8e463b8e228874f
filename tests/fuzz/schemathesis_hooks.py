"""What Schemathesis is told about this service: safetensors, `Accept`, the widths of networks, and what a problem is.

A batch that is drawn from the schema alone hardly ever has as many columns as its network; `fit_the_network` makes some
of them fit, so that the answers of calls that work are held to the document as well.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from typing import Any

import numpy as np
import schemathesis
from hypothesis import strategies as st
from safetensors.numpy import load, save

SAFETENSORS = "application/vnd.safetensors"
PROBLEM = "application/problem+json"

_widths: dict[str, tuple[int, int]] = {}
"""The inputs and outputs of the networks that were made, by id."""
_turn = itertools.count()
_witnesses = frozenset(os.environ["FUZZ_WITNESSES"].split())
"""Networks that Schemathesis finds in the list, may read, and may not change: they show that nothing else is written."""


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Well-formed safetensors: a batch, parameters or both, of small shapes."""
    dtype = draw(st.sampled_from(["<f4", "<f8", "<f2"]))
    side = st.integers(1, 3)
    number = st.floats(-2, 2, width=16)

    def array(*shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(number, min_size=size, max_size=size)), dtype).reshape(shape)

    rows = draw(side)
    tensors = {"inputs": array(rows, draw(side)), "targets": array(rows, draw(side))}
    for layer in range(2, 2 + draw(st.integers(0, 2))):
        units = draw(side)
        tensors |= {f"{layer}.weights": array(units, draw(side)), f"{layer}.biases": array(units)}
    kept = draw(st.sets(st.sampled_from(sorted(tensors))))
    learning = {"optimizer": {"kind": "sgd", "learning_rate": 0.5}}
    network = {"inputs": 2, "layers": [{"units": 1, "activation": "tanh"}]}
    rest = draw(st.sampled_from([{}, learning, {"include": ["layers"]}, {"name": "x"}, network]))
    return save({name: tensors[name] for name in kept}, metadata={"json": json.dumps(rest)})


schemathesis.openapi.media_type(SAFETENSORS, bodies())


@schemathesis.deserializer(SAFETENSORS)
def read_safetensors(_context: Any, response: Any) -> str:
    """The body stands for a string of bytes in the document; that it can be read, and is finite, is checked here."""
    tensors = load(response.content)
    length = int.from_bytes(response.content[:8], "little")
    header = json.loads(response.content[8 : 8 + length])
    assert isinstance(json.loads(header["__metadata__"]["json"]), dict)
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    return "bytes"


_jobs = os.environ["FUZZ_JOBS"].split()
"""Jobs that have ended, which most requests that name a job are about."""


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    turn = next(_turn)
    if case.method != "GET" and (case.path_parameters or {}).get("network") in _witnesses:
        case.path_parameters["network"] = "net_not_a_witness"
    if turn % 3 and "job" in (case.path_parameters or {}):
        case.path_parameters["job"] = _jobs[turn % len(_jobs)]
    # What makes or lists a network is left in JSON, in which Schemathesis finds the ids for its next requests.
    if turn % 5 in (1, 2) and case.operation.path.startswith("/v1/networks/"):
        case.headers["Accept"] = SAFETENSORS if turn % 5 == 1 else f"application/json;q=0.5, {SAFETENSORS};q=0.4"
    if turn % 3 and isinstance(case.body, dict) and "network" in (case.path_parameters or {}):
        fit_the_network(case.body, *_widths.get(str(case.path_parameters["network"]), (2, 1)))


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    created = case.operation.label == "POST /v1/networks" and response.status_code == 201
    if created and response.headers["content-type"] == ["application/json"]:
        made = json.loads(response.content)
        _widths[made["id"]] = (made["inputs"], made["layers"][-1]["units"])


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, case: Any, _response: Any) -> bool:
    """Schemathesis calls some requests right although it gave them a wrong header: to refuse those is no failure."""
    return type(failure).__name__ != "RejectedPositiveData" or _headers_fit(case)


def _headers_fit(case: Any) -> bool:
    documented = case.operation.definition.raw.get("parameters", [])
    patterns = {about["name"]: about["schema"].get("pattern", "") for about in documented if about["in"] == "header"}
    return all(
        re.search(pattern, case.headers.get(name, "")) for name, pattern in patterns.items() if name in case.headers
    )


def fit_the_network(body: dict[str, Any], inputs: int, outputs: int) -> None:
    """Rows of numbers get the width that the network has, and as many targets as inputs; nothing else is touched."""
    if _rows(body.get("inputs")) and inputs <= 100:
        body["inputs"] = [(row * inputs)[:inputs] for row in body["inputs"]]
    if _rows(body.get("inputs")) and _rows(body.get("targets")) and outputs <= 100:
        rows = len(body["inputs"])
        body["targets"] = [(row * outputs)[:outputs] for row in (body["targets"] * rows)[:rows]]


def _rows(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, list) and row and all(type(item) in (int, float) for item in row) for row in value)
    )


@schemathesis.check
def a_refusal_is_a_problem(_context: Any, response: Any, case: Any) -> None:
    """Every answer from 400 on is a problem that names its page, and says what the status line says."""
    if response.status_code < 400 or case.method == "HEAD":
        return
    assert response.headers["content-type"] == [PROBLEM], response.headers["content-type"]
    problem = json.loads(response.content)
    assert problem["status"] == response.status_code
    assert problem["type"].startswith("/problems/")
    assert problem["error"] == problem["detail"]
    if response.status_code == 412:
        assert response.headers["etag"] == [f'"{problem["current"]}"']
