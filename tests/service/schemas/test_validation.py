"""What pydantic finds is told in our words, at the place in the body that the client wrote."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import Fault, InvalidInput
from service.schemas.computing import SgdStep
from service.schemas.networks import CreateNetwork
from service.schemas.validation import MAX_FAULTS, validate

BATCH = {"inputs": [[1.0]], "targets": [[1.0]]}


def _faults(model: Any, document: Any) -> tuple[Fault, ...]:
    with pytest.raises(InvalidInput) as caught:
        validate(model, document)
    return caught.value.faults


def test_every_fault_is_named() -> None:
    faults = _faults(CreateNetwork, {"inputs": "2", "layers": [{"units": 0}], "x": 1})
    assert faults == (
        Fault("/inputs", "This is not an integer."),
        Fault("/layers/0/units", "Input should be greater than or equal to 1."),
        Fault("/layers/0/activation", "This field is required."),
        Fault("/x", "There is no such field here."),
    )


def test_the_detail_is_the_first_fault() -> None:
    with pytest.raises(InvalidInput) as caught:
        validate(SgdStep, {"inputs": [[1, "x"]], "targets": []})
    assert caught.value.detail == "/inputs/0/1: A number is expected here, not a string. (2 more)"


def test_no_more_than_twenty() -> None:
    assert len(_faults(CreateNetwork, {f"x{n}": n for n in range(1000)})) == MAX_FAULTS


def test_the_tag_of_a_union_is_not_in_the_pointer() -> None:
    def place(optimizer: Any) -> str:
        return _faults(SgdStep, {**BATCH, "optimizer": optimizer})[0].pointer

    assert place({"kind": "sgd", "learning_rate": -1}) == "/optimizer/learning_rate"
    assert place({"kind": "adam", "betas": [0, 2]}) == "/optimizer/betas/1"
    assert place({"kind": "sgd", "sgd": 1}) == "/optimizer/sgd"
    assert place({"kind": "sgd", "nesterov": True}) == "/optimizer/nesterov"
    assert place({"kind": "nope"}) == "/optimizer/kind"
    assert place({"kind": ["sgd"]}) == "/optimizer/kind"
    assert place({}) == "/optimizer/kind"
    assert place([]) == "/optimizer"


def test_no_input_is_echoed() -> None:
    secret = "s3cret" * 1000
    documents: list[dict[str, Any]] = [
        {**BATCH, "optimizer": {"kind": secret}},
        {**BATCH, "optimizer": {"kind": "sgd", "learning_rate": secret}},
        {"inputs": secret, "targets": [secret], "optimizer": secret},
        {**BATCH, "optimizer": {"kind": "sgd", "learning_rate": float("nan")}},
    ]
    for document in documents:
        for fault in _faults(SgdStep, document):
            assert "s3cret" not in fault.detail
            assert "nan" not in fault.detail.lower()


@pytest.mark.parametrize("document", [None, 1, "a", [], [1], True])
def test_a_document_is_an_object(document: Any) -> None:
    assert _faults(SgdStep, document) == (Fault("", "This is not an object."),)


def test_an_empty_list_is_too_short_and_a_wrong_item_is_not() -> None:
    assert _faults(CreateNetwork, {"inputs": 1, "layers": []}) == (Fault("/layers", "This list is too short."),)
    assert _faults(CreateNetwork, {"inputs": 1, "layers": [7]}) == (Fault("/layers/0", "This is not an object."),)
