"""Which engines there are, where each lives, and what they are not asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.core.cases import Case
from benchmarks.core.engines.limit import LIBRARIES

__all__ = ["ENGINES", "Spec"]

Home = Literal["product", "peers"]


@dataclass(frozen=True)
class Spec:
    """An engine: its module, whose environment it runs in, and its variants (the fastest one is what is reported)."""

    name: str
    module: str
    home: Home
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By operation; an operation that is not named has the one variant ""."""
    operations: tuple[str, ...] = ("forward", "backprop", "step")
    most: float = float("inf")
    """Cases with more floating-point operations than this are left out, and said to be."""

    def variants_of(self, operation: str) -> tuple[str, ...]:
        """The variants of an operation."""
        return self.variants.get(operation, ("",))

    def refusal(self, case: Case, operation: str) -> str | None:
        """Why the engine is not asked to do this, if it is not."""
        if operation not in self.operations:
            return "not one of its operations"
        if operation != "epochs" and case.operations(operation) > self.most:
            return "takes seconds an operation"
        return None


_ALL = ("forward", "backprop", "step", "epochs")
_HERE = "benchmarks.core.engines."


def _of_all(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(("forward", "backprop", "step"), names)


ENGINES = {
    spec.name: spec
    for spec in (
        Spec("limit", _HERE + "limit", "peers", _of_all(tuple(LIBRARIES))),
        Spec("gradwire", _HERE + "gradwire", "product", operations=_ALL),
        Spec("plain", _HERE + "plain", "product"),
        Spec(
            "torch", _HERE + "torch_eager", "peers", dict.fromkeys(("step", "epochs"), ("", "foreach", "fused")), _ALL
        ),
        Spec("compile", _HERE + "torch_compile", "peers", dict.fromkeys(("backprop", "step"), ("module", "whole"))),
        Spec(
            "jax",
            _HERE + "jax_jit",
            "peers",
            _of_all(("", "transposed")) | {"epochs": ("", "transposed", "scan-ahead", "scan-ahead transposed")},
            _ALL,
        ),
        Spec("autograd", _HERE + "autograd_numpy", "peers"),
        Spec("loop", _HERE + "loop", "product", operations=_ALL, most=1e9),
    )
}
