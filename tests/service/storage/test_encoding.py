"""The bytes of a state describe themselves, and every one of them counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import CorruptState
from service.storage.base import NetworkState
from service.storage.encoding import decode, encode
from tests.contracts.drawings import same, state

DTYPES = st.sampled_from(["<f4", "<f8", ">f8", "<i8", "<u4"])


@given(st.lists(st.tuples(DTYPES, st.integers(0, 40)), min_size=1, max_size=5), st.integers(0, 2**60))
def test_any_state_comes_back(arrays: list[tuple[str, int]], version: int) -> None:
    drawn = [np.arange(size).astype(dtype) for dtype, size in arrays]
    optimizer = {f"name-{place} ❄": array for place, array in enumerate(drawn[1:])} | {"step": np.array(version)}
    encoded = encode(NetworkState(drawn[0], "adam", optimizer), "net", version)
    data = encoded.joined()
    assert len(data) == encoded.nbytes
    back = decode(data, encoded.digest, "net", version)
    assert np.array_equal(back.parameters, drawn[0])
    assert back.optimizer.keys() == optimizer.keys()
    assert all(np.array_equal(back.optimizer[name], array) for name, array in optimizer.items())


def test_every_flipped_bit_is_found() -> None:
    encoded = encode(state(3), "net", 3)
    data = encoded.joined()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(CorruptState):
            decode(bytes(damaged), encoded.digest, "net", 3)


@pytest.mark.parametrize("cut", [0, 10, 64, -1])
def test_missing_bytes_are_found(cut: int) -> None:
    encoded = encode(state(3), "net", 3)
    with pytest.raises(CorruptState):
        decode(encoded.joined()[:cut], encoded.digest, "net", 3)


@pytest.mark.parametrize("place", [("net", 4), ("other", 3)])
def test_whole_bytes_in_the_wrong_place_are_found(place: tuple[str, int]) -> None:
    encoded = encode(state(3), "net", 3)
    assert same(decode(encoded.joined(), encoded.digest, "net", 3), state(3))
    with pytest.raises(CorruptState, match="in place of"):
        decode(encoded.joined(), encoded.digest, *place)


def test_arrays_are_aligned_and_not_copied() -> None:
    vector = np.arange(100.0)
    encoded = encode(NetworkState(vector), "net", 0)
    assert np.shares_memory(np.frombuffer(encoded.pieces[1]), vector)
    assert len(encoded.pieces[0]) % 64 == 0
    assert encoded.nbytes % 64 == 0
