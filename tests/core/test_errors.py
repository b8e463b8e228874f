"""Errors of core survive a trip to another process, and say what happened."""

from __future__ import annotations

import pickle

import pytest

from core import errors

MADE = [
    errors.CoreError("a"),
    errors.InvalidArchitecture("b", ("layers", 1, "activation")),
    errors.InvalidBatch("c", ("targets", 3)),
    errors.InvalidOptions("d", ("momentum",)),
    errors.NonFiniteError("e", 3, "errors"),
    errors.BackendUnavailable("f"),
]


def test_every_error_is_here() -> None:
    assert {type(error).__name__ for error in MADE} == set(errors.__all__)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_pickles_and_speaks(error: errors.CoreError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == error.detail
    assert isinstance(error, errors.CoreError)
    assert type(error).__name__ in (errors.__doc__ or "")
