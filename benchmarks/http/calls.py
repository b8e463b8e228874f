"""The calls that are measured: a body, the same for every server that takes it, and what its answer must hold.

The network is case a of the core's benchmark, 784-30-10 in float32, with its parameters; batches are drawn as there.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from safetensors.numpy import save

from benchmarks.core.cases import CASES, Array, Batch, Case, draw_batch, draw_parameters, split
from benchmarks.core.reference import expected

__all__ = ["CALLS", "JSON", "SAFETENSORS", "Call", "Numbers"]

JSON = "application/json"
SAFETENSORS = "application/vnd.safetensors"
OPTIMIZER = {"kind": "sgd", "learning_rate": 1e-3}
"""Small, so that a few hundred thousand steps on one batch stay among ordinary numbers."""


@dataclass(frozen=True)
class Call:
    """One call with one size of batch."""

    operation: str
    media: str
    rows: int
    bar: float | None = None
    """The least capacity that is wanted of it."""
    durable: bool = True
    """Whether a step is on disk before it is answered."""

    @property
    def is_what_all_have(self) -> bool:
        """Whether every server that is compared can do it, in some form of JSON."""
        return self.operation == "feedforward" and self.media == JSON

    @property
    def name(self) -> str:
        """For the command line: `feedforward-json-100`."""
        form = "json" if self.media == JSON else "safetensors"
        unsynced = "" if self.durable else "-unsynced"
        return f"{self.operation}{unsynced}-{form}-{self.rows}"

    @property
    def title(self) -> str:
        """In words, for tables."""
        form = "JSON" if self.media == JSON else "safetensors"
        unsynced = "" if self.durable else " without sync"
        return f"{self.operation}{unsynced}, {form}, {self.rows} row{'s' * (self.rows > 1)}"


CALLS = {
    call.name: call
    for call in (
        Call("feedforward", SAFETENSORS, 1, 0.35),
        Call("feedforward", SAFETENSORS, 100, 0.40),
        Call("feedforward", SAFETENSORS, 1000, 0.50),
        Call("feedforward", JSON, 1),
        Call("feedforward", JSON, 100, 0.15),
        Call("feedforward", JSON, 1000),
        Call("backprop", SAFETENSORS, 100, 0.30),
        Call("sgd-step", SAFETENSORS, 100, 0.30, durable=False),
        Call("sgd-step", SAFETENSORS, 100),
    )
}


@dataclass(frozen=True)
class Numbers:
    """What goes into a call and what must come out."""

    call: Call

    @cached_property
    def case(self) -> Case:
        """The network, with a batch of the call's rows."""
        return dataclasses.replace(CASES["a"], batch=self.call.rows, learning_rate=OPTIMIZER["learning_rate"])

    @cached_property
    def vector(self) -> Array:
        """The parameters."""
        return draw_parameters(self.case, "float32")

    @cached_property
    def batch(self) -> Batch:
        """Inputs and targets."""
        return draw_batch(self.case, "float32", seed=100)

    @cached_property
    def wanted(self) -> Array:
        """Outputs, gradient or the parameters after a step, computed by NumPy in float64."""
        what = {"feedforward": "forward", "backprop": "backprop", "sgd-step": "step"}[self.call.operation]
        return expected(self.case, what, self.vector, [self.batch])

    @property
    def layers(self) -> list[dict[str, Any]]:
        """The parameters as JSON."""
        pairs = split(self.case, self.vector)
        return [{"layer": layer, "weights": w.tolist(), "biases": b.tolist()} for layer, (w, b) in enumerate(pairs, 2)]

    @cached_property
    def body(self) -> bytes:
        """The request: numbers in JSON as `json.dumps` writes those of `array.tolist()`."""
        arrays = {"inputs": self.batch.x} | ({} if self.call.operation == "feedforward" else {"targets": self.batch.y})
        options = {"optimizer": OPTIMIZER} if self.call.operation == "sgd-step" else {}
        if self.call.media == JSON:
            return _text(options | {name: array.tolist() for name, array in arrays.items()})
        return save(arrays, metadata={"json": json.dumps(options)} if options else None)

    @cached_property
    def v2_body(self) -> bytes:
        """The same request in the V2 inference protocol: numbers flat, beside their shape."""
        x = self.batch.x
        tensor = {"name": "inputs", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}
        return _text({"inputs": [tensor]})

    def outputs_error(self, outputs: Array) -> float:
        """How far outputs (m, n_L) are from those that are wanted, as a part of them."""
        if outputs.shape != self.wanted.shape or not np.isfinite(outputs).all():
            return float("inf")
        return float(np.abs(outputs - self.wanted).sum() / np.abs(self.wanted).sum())


def _text(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()
