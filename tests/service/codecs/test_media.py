"""Media types: what a body is in, and what an answer gets, by RFC 9110."""

from __future__ import annotations

import time

import pytest

from service.codecs.media import JSON, SAFETENSORS, SUPPORTED, content_type, negotiate
from service.errors import MalformedBody, NotAcceptable, ServiceError, UnsupportedMediaType


@pytest.mark.parametrize(
    ("header", "media"),
    [
        ("application/json", JSON),
        ("Application/JSON", JSON),
        (" application/json ", JSON),
        ("application/json; charset=utf-8", JSON),
        ('application/json;charset="UTF-8"', JSON),
        ("application/json ; profile=x;charset=utf8", JSON),
        ("application/json;", JSON),
        ("application/vnd.safetensors", SAFETENSORS),
    ],
)
def test_a_body_is_in(header: str, media: str) -> None:
    assert content_type(header) == media


@pytest.mark.parametrize(
    "header", [None, "", " ", ";", "text/plain", "application/octet-stream", "nonsense", "application/json, text/plain"]
)
def test_other_types_name_what_is_spoken(header: str | None) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        content_type(header)
    assert caught.value.supported == SUPPORTED
    assert JSON in caught.value.detail
    assert SAFETENSORS in caught.value.detail


def test_the_charset_is_utf_8() -> None:
    with pytest.raises(UnsupportedMediaType, match="latin-1"):
        content_type("application/json; charset=latin-1")


@pytest.mark.parametrize(
    "header",
    [
        "application/json; charset",
        "application/json; =x",
        'application/json; charset="utf-8',
        "application/json; a=b c",
    ],
)
def test_parameters_that_cannot_be_read(header: str) -> None:
    with pytest.raises(MalformedBody, match="Content-Type"):
        content_type(header)


@pytest.mark.parametrize(
    ("accept", "request_type", "media"),
    [
        (None, JSON, JSON),
        (None, SAFETENSORS, SAFETENSORS),
        ("", SAFETENSORS, SAFETENSORS),
        ("*/*", JSON, JSON),
        ("*/*", SAFETENSORS, SAFETENSORS),
        ("application/*", SAFETENSORS, SAFETENSORS),
        ("application/json", SAFETENSORS, JSON),
        ("APPLICATION/JSON; charset=utf-8", SAFETENSORS, JSON),
        ("application/vnd.safetensors", JSON, SAFETENSORS),
        ("application/json, application/vnd.safetensors", SAFETENSORS, SAFETENSORS),
        ("application/json, application/vnd.safetensors", JSON, JSON),
        ("application/json;q=0.5, application/vnd.safetensors;q=0.9", JSON, SAFETENSORS),
        ("application/json;q=0.9, application/vnd.safetensors;q=0.5", SAFETENSORS, JSON),
        ("application/json;q=0.001, text/html", SAFETENSORS, JSON),
        ("application/json;q=0, */*", JSON, SAFETENSORS),
        ("application/vnd.safetensors;q=0, application/*", SAFETENSORS, JSON),
        ("application/*;q=0, application/json", SAFETENSORS, JSON),
        ("application/json, text/plain, */*", SAFETENSORS, JSON),  # what is named goes before what is only allowed
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON, JSON),
        (", application/json ,,", SAFETENSORS, JSON),
        ('application/json;a="x,y\\"z";q=0.3, */*;q=0.2', SAFETENSORS, JSON),
    ],
)
def test_an_answer_gets(accept: str | None, request_type: str, media: str) -> None:
    assert negotiate(accept, request_type) == media


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/json;q=0",
        "image/*",
        "*/*;q=0.0",
        "application/json;q=0, application/vnd.safetensors;q=0.000, */*",
    ],
)
def test_what_cannot_be_had_names_what_can(accept: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        negotiate(accept)
    assert caught.value.available == SUPPORTED


def test_an_answer_may_have_fewer_types() -> None:
    assert negotiate("*/*", SAFETENSORS, (JSON,)) == JSON
    with pytest.raises(NotAcceptable):
        negotiate(SAFETENSORS, JSON, (JSON,))


@pytest.mark.parametrize(
    "accept",
    ["json", "application/", "/json", "*", "a/b;q=1.1", "a/b;q=", "a/b;q=0.1234", "a/b c/d", 'a/b;x="', "a/b;\x00"],
)
def test_an_accept_that_cannot_be_read(accept: str) -> None:
    with pytest.raises(MalformedBody, match="Accept"):
        negotiate(accept)


@pytest.mark.parametrize(
    "header",
    [
        "a/b" + "; " * 30_000 + "\0",
        "a/b;" + " " * 60_000 + "\0",
        "a/b" + ";a=b " * 10_000 + "\0",
        'a/b;a="' + "\\a" * 30_000,
        "," * 60_000,
    ],
    ids=["semicolons", "blanks", "parameters", "escapes", "commas"],
)
def test_hostile_headers_take_no_time(header: str) -> None:
    begun = time.process_time()
    for read in (negotiate, content_type):
        with pytest.raises(ServiceError):
            read(
                "application/json" + header[3:] if read is content_type and header.startswith("a/b") else header or None
            )
    assert time.process_time() - begun < 1
