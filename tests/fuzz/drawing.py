"""What a network's life is drawn from: small batches, parameters and names."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

__all__ = ["batches", "names", "parameters"]

_numbers = st.floats(-2, 2, width=32)
names = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=12)


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    rows = draw(st.integers(1, 3))
    inputs = draw(st.lists(st.lists(_numbers, min_size=2, max_size=2), min_size=rows, max_size=rows))
    targets = draw(st.lists(st.lists(_numbers, min_size=1, max_size=1), min_size=rows, max_size=rows))
    return {"inputs": inputs, "targets": targets}


@st.composite
def parameters(draw: st.DrawFn) -> list[tuple[np.ndarray, np.ndarray]]:
    flat = np.array(draw(st.lists(_numbers, min_size=9, max_size=9)))
    return [(flat[:4].reshape(2, 2), flat[4:6]), (flat[6:8].reshape(1, 2), flat[8:])]
