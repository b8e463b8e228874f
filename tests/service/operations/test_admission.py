"""Admission: the figures are exact, whole numbers of any size, and the limit itself is still let in."""

from __future__ import annotations

import pytest

from core.network import Architecture, Layer
from service.errors import TooLarge
from service.operations.admission import admit_batch, admit_network
from service.settings import Settings

NETWORK = Architecture(3, (Layer(4, "tanh"), Layer(2, "identity")), "quadratic", "float64")
WEIGHTS = 3 * 4 + 4 * 2
PARAMETERS = WEIGHTS + 4 + 2
UNITS = 3 + 4 + 2


def refused(settings: Settings, rows: int, **what: bool) -> dict[str, int]:
    with pytest.raises(TooLarge) as caught:
        admit_batch(settings, NETWORK, rows, **{"backprop": False, **what})
    assert str(caught.value.figures["asked"]) in caught.value.detail
    assert str(caught.value.figures["limit"]) in caught.value.detail
    return caught.value.figures


@pytest.mark.parametrize(("backprop", "each"), [(False, 2), (True, 6)])
def test_operations_count_each_weight_and_example(backprop: bool, each: int) -> None:
    rows, count = 7, each * 7 * WEIGHTS
    admit_batch(Settings(max_estimated_operations=count), NETWORK, rows, backprop=backprop)
    figures = refused(Settings(max_estimated_operations=count - 1), rows, backprop=backprop)
    assert figures == {"asked": count, "limit": count - 1}


def test_what_is_no_product_takes_time_too() -> None:
    narrow = Architecture(1, (Layer(1, "gelu"),) * 3, "quadratic", "float64")
    assert admit_batch(Settings(), narrow, 1000, backprop=False).operations >= 3000 * 500
    plain, each = (admit_batch(Settings(), NETWORK, 1000, backprop=True, per_example=one) for one in (False, True))
    assert each.operations >= plain.operations + 1000 * PARAMETERS * 100


@pytest.mark.parametrize("per_example", [False, True])
def test_bytes_count_parameters_units_and_per_example_gradients(per_example: bool) -> None:
    rows = 5
    nbytes = 8 * 3 * (PARAMETERS + rows * UNITS + (rows * PARAMETERS if per_example else 0))
    what = {"backprop": True, "per_example": per_example}
    assert admit_batch(Settings(max_estimated_bytes=nbytes), NETWORK, rows, **what).nbytes == nbytes
    assert refused(Settings(max_estimated_bytes=nbytes - 1), rows, **what)["asked"] == nbytes


def test_rows() -> None:
    admit_batch(Settings(max_batch_rows=3), NETWORK, 3, backprop=True)
    assert refused(Settings(max_batch_rows=3), 4) == {"asked": 4, "limit": 3}


def test_networks_of_any_asked_size_are_only_counted() -> None:
    admit_network(Settings(max_parameters=PARAMETERS, max_layers=2, max_units=4), 3, [4, 2], "float64")
    for limits in ({"max_parameters": PARAMETERS - 1}, {"max_layers": 1}, {"max_units": 3}):
        with pytest.raises(TooLarge):
            admit_network(Settings(**limits), 3, [4, 2], "float64")
    with pytest.raises(TooLarge) as caught:
        admit_network(Settings(max_units=2**60), 2**53, [2**53], "float32")
    assert caught.value.figures["asked"] == 2**53 * (2**53 + 1)
