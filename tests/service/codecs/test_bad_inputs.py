"""The corpus of bad inputs: each is refused with the problem and at the place that the corpus names."""

from __future__ import annotations

import orjson
import pytest

from service.problems import PROBLEMS, face_of
from service.schemas.service import Problem
from tests.service.codecs import bad_inputs
from tests.service.codecs.bad_inputs import BadInput
from tests.service.codecs.reading import MODELS, read

CORPUS = bad_inputs.load()


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_is_refused_where_it_is_wrong(case: BadInput) -> None:
    with pytest.raises(Exception, match=r"(?s).") as caught:
        read(case.to, case.body, case.headers)
    face = face_of(caught.value)
    assert face.kind.slug == case.problem, caught.value
    assert (face.faults[0].pointer if face.faults else None) == case.pointer
    text = orjson.dumps(face.document)  # a lone surrogate or a NaN that was echoed would not go through
    assert len(text) < 8000
    Problem.model_validate_json(text)


def test_the_corpus_is_large_and_names_its_cases() -> None:
    assert len(CORPUS) >= 250
    assert len({case.name for case in CORPUS}) == len(CORPUS)
    assert {case.problem for case in CORPUS} <= PROBLEMS.keys()
    assert {case.to for case in CORPUS} == MODELS.keys()
