"""Drawn bodies and headers against the codecs: refused or read, never anything else, and in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from starlette.requests import Request

from service.codecs import documents
from service.codecs.media import JSON, SAFETENSORS, content_type, negotiate
from service.errors import ServiceError
from service.routers import conditions, query
from tests.fuzz.bodies import json_bodies, safetensors_bodies
from tests.fuzz.codecs import KINDS, judge, outcome
from tests.service.codecs import bad_inputs
from tests.service.codecs.bad_inputs import safetensors
from tests.service.codecs.reading import LIMIT

EXAMPLES = 1500
LONGEST = 4.0
"""Seconds for the worst body of 1 MiB on a slow and busy machine."""
MOST = 150
"""Bytes of Python's memory for each byte of a body: an empty list of two characters takes 64, a small object 190."""


def drawn(pytestconfig: pytest.Config, *strategies: st.SearchStrategy[object]) -> Callable[..., None]:
    """Runs a function on cases that are drawn, as many and from the seed that the command line says."""

    def run(test: Callable[..., None]) -> None:
        limits = settings(
            max_examples=EXAMPLES * pytestconfig.getoption("--fuzz-times"),
            deadline=2000,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        limits(seed(pytestconfig.getoption("--fuzz-seed"))(given(*strategies)(test)))()

    return run


_kinds, _dtypes = st.sampled_from(KINDS), st.sampled_from(["float32", "float64"])


@pytest.mark.slow
@pytest.mark.parametrize(("media", "bodies"), [(JSON, json_bodies()), (SAFETENSORS, safetensors_bodies())])
def test_a_body_is_read_or_refused(pytestconfig: pytest.Config, media: str, bodies: st.SearchStrategy[bytes]) -> None:
    seen: set[str] = set()

    def check(to: str, body: bytes, dtype: str) -> None:
        seen.add(judge(to, body, media, dtype)[0])

    drawn(pytestconfig, _kinds, bodies, _dtypes)(check)
    assert seen == {"read", "refused"}


@pytest.mark.parametrize("case", bad_inputs.load(), ids=lambda case: case.name)
def test_the_corpus_is_refused_by_both_readers(case: bad_inputs.BadInput) -> None:
    for media in (JSON, SAFETENSORS):
        judge(case.to, case.body, media, "float32")
    padded = case.body + b" " * 600
    judge(case.to, padded, JSON, "float32")


_words = st.sampled_from([*'"*,;=/ \t.', "q", "0.5", "1", "application/json", "W/", '"0"', "é", "\x00", "x" * 300, "%"])
_headers = st.lists(_words, max_size=12).map("".join)


@pytest.mark.slow
def test_a_header_is_read_or_refused(pytestconfig: pytest.Config) -> None:
    def check(text: str, other: str) -> None:
        raw = [
            (name, text.encode("latin-1"))
            for name in (b"if-match", b"idempotency-key", b"if-none-match", b"accept", b"content-type")
        ]
        scope = {
            "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "headers": raw,
            "query_string": other.encode(),
        }  # fmt: skip
        request = Request(scope)
        for read in (
            lambda: content_type(text),
            lambda: negotiate(text),
            lambda: conditions.guard(request, b"{}", JSON),
            lambda: conditions.matches_none(request, 0),
            lambda: query.natural(query.known(request, ("limit",)), "limit"),
        ):
            try:
                read()
            except ServiceError as error:
                assert error.detail.isprintable()  # noqa: PT017  other kinds of exception are failures

    drawn(pytestconfig, _headers, _headers)(check)


_DEEP = b'{"inputs":' + b"[" * 500_000
HOSTILE = {
    "lists in lists": _DEEP + b"]" * 500_000 + b"}",
    "lists without end": _DEEP,
    "objects in objects": b'{"a":' * 200_000,
    "empty lists": b'{"inputs":[' + b"[]," * 340_000 + b"[]]}",
    "empty objects": b'{"layers":[' + b"{}," * 340_000 + b"{}]}",
    "short rows": b'{"inputs":[' + b"[0]," * 260_000 + b"[0]]}",
    "one ragged row": b'{"inputs":[' + b"[0]," * 260_000 + b"[0,1]]}",
    "one long row": b'{"inputs":[[' + b"0," * 520_000 + b"0]]}",
    "one long integer": b'{"inputs":[[' + b"1" * 1_000_000 + b"]]}",
    "one long fraction": b'{"inputs":[[0.' + b"1" * 1_000_000 + b"]]}",
    "many fields": b"{" + b",".join(b'"%x":0' % n for n in range(100_000)) + b"}",
    "one field again": b"{" + b",".join([b'"a":0'] * 170_000) + b"}",
    "escapes": b'{"name":"' + b"\\u0041" * 170_000 + b'"}',
    "surrogates": b'{"name":"' + b"\\ud800" * 170_000 + b'"}',
    "blanks": b" " * 2**20,
    "quotes": b'"' * 2**20,
    "nulls": b'{"inputs":[[' + b"null," * 200_000 + b"null]]}",
    "tensors": safetensors("{" + ",".join(f'"a{n}":0' for n in range(80_000)) + "}", b""),
    "a deep header": safetensors('{"inputs":' + "[" * 400_000 + "]" * 400_000 + "}", b""),
    "metadata": safetensors('{"__metadata__":{"json":"' + "[" * 900_000 + '"}}', b""),
    "a huge shape": safetensors('{"inputs":{"dtype":"F32","shape":[9007199254740991,0],"data_offsets":[0,0]}}', b""),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_body_is_refused_cheaply(name: str) -> None:
    body = HOSTILE[name]
    assert len(body) <= LIMIT
    media = SAFETENSORS if body[:1] not in b'{ "' else JSON

    def read() -> None:
        outcome(lambda: documents.parse(body, media), "feedforward", "float32")

    begun = time.monotonic()
    read()
    assert time.monotonic() - begun < LONGEST
    tracemalloc.start()
    try:
        read()
        assert tracemalloc.get_traced_memory()[1] < MOST * len(body) + 2**20
    finally:
        tracemalloc.stop()
