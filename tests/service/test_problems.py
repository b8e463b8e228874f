"""Problems: every failure has one kind, one page and one face, and tells nothing of the inside."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

import core.errors as core
import service.errors as errors
from service.codecs.body import ENCODINGS
from service.codecs.media import PROBLEM, SUPPORTED
from service.problems import PROBLEMS, Problems, face_of, page, respond
from service.schemas.service import Problem

ROOT = Path(__file__).parents[2]
SLUGS_OF_THE_CONTRACT = {"non-finite", "idempotency-mismatch"}


def _subclasses(kind: type) -> set[type]:
    return {kind} | {deeper for below in kind.__subclasses__() for deeper in _subclasses(below)}


SPOKEN = ", ".join(SUPPORTED)


def _of(member: str, *values: str) -> dict[str, Any]:
    return {member: list(values)}


def _at(pointer: str) -> dict[str, Any]:
    return {"errors": [{"pointer": pointer, "detail": "d"}]}


CASES: list[tuple[Exception, str, int, dict[str, str], dict[str, Any]]] = [
    (errors.InvalidInput("d", (errors.Fault("/a/0", "d"),)), "invalid-input", 422, {}, _at("/a/0")),
    (errors.MalformedBody("d"), "malformed-body", 400, {}, {}),
    (errors.TooLarge("d", {"bytes": 5, "limit": 4}), "too-large", 413, {}, {"figures": {"bytes": 5, "limit": 4}}),
    (
        errors.UnsupportedMediaType("d", SUPPORTED),
        "unsupported-media-type",
        415,
        {"accept": SPOKEN},
        _of("supported", *SUPPORTED),
    ),
    (
        errors.UnsupportedMediaType("d", ENCODINGS),
        "unsupported-media-type",
        415,
        {"accept-encoding": "gzip, deflate, identity"},
        _of("supported", *ENCODINGS),
    ),
    (errors.NotAcceptable("d", SUPPORTED), "not-acceptable", 406, {}, {"available": [*SUPPORTED]}),
    (errors.NotFound("d"), "not-found", 404, {}, {}),
    (errors.AlreadyExists("d"), "already-exists", 409, {}, {}),
    (errors.Gone("d"), "gone", 410, {}, {}),
    (errors.StalePrecondition("d", 7), "stale-precondition", 412, {"etag": '"7"'}, {"current": 7}),
    (errors.PreconditionRequired("d"), "precondition-required", 428, {}, {}),
    (errors.IdempotencyMismatch("d"), "idempotency-mismatch", 422, {}, {}),
    (errors.StillRunning("d", 3), "still-running", 409, {"retry-after": "3"}, {}),
    (errors.JobRunning("d", 4), "job-running", 409, {"retry-after": "4"}, {}),
    (errors.Interrupted("d"), "interrupted", 500, {}, {}),
    (errors.NonFinite("d", 2), "non-finite", 422, {}, {"layer": 2}),
    (errors.NonFinite("d"), "non-finite", 422, {}, {}),
    (errors.Unauthorized("d"), "unauthorized", 401, {"www-authenticate": 'Bearer realm="gradwire"'}, {}),
    (errors.RateLimited("d", 4), "rate-limited", 429, {"retry-after": "4"}, {}),
    (errors.Overloaded("d", 9), "overloaded", 503, {"retry-after": "9"}, {}),
    (errors.StorageFull("d"), "storage-full", 507, {}, {}),
    (errors.CorruptState("d"), "corrupt-state", 500, {}, {}),
    (
        errors.ReplayDiffers("d", 9, 7, {"numpy": {"then": "1", "now": "2"}}),
        "replay-differs",
        500,
        {},
        {"version": 9, "whole": 7, "numerics": {"numpy": {"then": "1", "now": "2"}}},
    ),
    (errors.StorageUnavailable("d"), "storage-unavailable", 503, {"retry-after": "5"}, {}),
    (core.InvalidArchitecture("d", ("layers", 1, "activation")), "invalid-input", 422, {}, _at("/layers/1/activation")),
    (core.InvalidBatch("d", ("targets", 3)), "invalid-input", 422, {}, _at("/targets/3")),
    (core.InvalidOptions("d", ("betas", 1)), "invalid-input", 422, {}, _at("/optimizer/betas/1")),
    (core.NonFiniteError("d", 3, "activations"), "non-finite", 422, {}, {"layer": 3}),
    (HTTPException(404), "not-found", 404, {}, {}),
    (HTTPException(405, headers={"allow": "GET"}), "method-not-allowed", 405, {"allow": "GET"}, {}),
    (MemoryError(), "overloaded", 503, {"retry-after": "5"}, {}),
    (KeyError("secret"), "internal", 500, {}, {}),
]


@pytest.mark.parametrize(
    ("error", "slug", "status", "headers", "members"), CASES, ids=lambda value: type(value).__name__
)
def test_the_face_of(
    error: Exception, slug: str, status: int, headers: dict[str, str], members: dict[str, Any]
) -> None:
    response = respond(error)
    document = json.loads(bytes(response.body))
    assert response.status_code == status
    assert response.headers["content-type"] == PROBLEM
    assert {name: response.headers[name] for name in headers} == headers
    telling = {"retry-after", "etag", "allow", "accept", "accept-encoding", "www-authenticate"}
    assert telling & set(response.headers) == set(headers)
    assert document["type"] == f"/problems/{slug}"
    assert (document["title"], document["status"]) == (PROBLEMS[slug].title, status)
    assert document["detail"] == document["error"] != ""
    standard = {"type", "title", "status", "detail", "error"}
    assert {name: value for name, value in document.items() if name not in standard} == members
    Problem.model_validate_json(bytes(response.body))


def test_every_error_has_a_face_of_its_own() -> None:
    expected = _subclasses(errors.ServiceError) - {errors.ServiceError, errors.StorageError}
    assert {type(error) for error, *_ in CASES} >= expected
    assert {slug for _, slug, *_ in CASES} == PROBLEMS.keys()
    # A backend that is missing ends the start of the service; no request can meet it.
    assert _subclasses(core.CoreError) - {core.CoreError, core.BackendUnavailable} <= {
        type(error) for error, *_ in CASES
    }


def test_slugs_and_statuses() -> None:
    assert PROBLEMS.keys() >= SLUGS_OF_THE_CONTRACT
    for slug, kind in PROBLEMS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", slug)
        assert kind.slug == slug
        assert 400 <= kind.status < 600


@pytest.mark.parametrize("slug", list(PROBLEMS))
def test_every_problem_has_a_page_with_an_example(slug: str) -> None:
    kind, text = PROBLEMS[slug], page(slug)
    assert text.startswith(f"# {kind.title}\n\n`/problems/{slug}`, status {kind.status}\n\n")
    example = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    assert (example["type"], example["title"], example["status"]) == (kind.type, kind.title, kind.status)
    assert example["error"] == example["detail"]
    Problem.model_validate(example)
    real = next(face_of(error).document for error, of, *_ in CASES if of == slug)
    assert example.keys() - {"layer"} == real.keys() - {"layer"}


def test_every_page_has_a_problem_and_is_in_the_index() -> None:
    pages = {path.stem for path in (ROOT / "service" / "problems" / "pages").glob("*.md")}
    assert pages == PROBLEMS.keys()
    index = ROOT / "docs" / "problems" / "README.md"
    linked = re.findall(r"\| (\d+) \| \[([a-z-]+)\]\(([^)]+)\) \| (.+) \|", index.read_text(encoding="utf-8"))
    assert [(int(status), slug, title) for status, slug, _, title in linked] == [
        (k.status, k.slug, k.title) for k in PROBLEMS.values()
    ]
    assert all((index.parent / link).is_file() for _, _, link, _ in linked)


@pytest.mark.parametrize("slug", ["unknown", "", "../catalog", "pages/gone"])
def test_there_is_no_other_page(slug: str) -> None:
    with pytest.raises(errors.NotFound):
        page(slug)


def test_a_status_without_a_kind_says_no_more_than_itself() -> None:
    document = json.loads(bytes(respond(HTTPException(418, "secret")).body))
    assert document["type"] == "about:blank"
    assert "secret" not in str(document)


def test_details_are_short_and_can_be_encoded() -> None:
    error = errors.InvalidInput("a\ud800\n" + "x" * 10_000, (errors.Fault("/a", "y\udfff" * 10_000),))
    document = json.loads(bytes(respond(error).body))
    assert len(document["detail"]) < 2100
    assert len(document["errors"][0]["detail"]) < 2100
    assert document["detail"].startswith("a\\ud800\\nxxx")


async def _answer(path: str, method: str = "GET", error: Exception | None = None) -> httpx.Response:
    async def raising(_request: Request) -> Response:
        assert error is not None
        raise error

    router = Router([Route("/raise", raising)])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await router(scope | {"app": router}, receive, send)  # inside of an application it raises its refusals

    transport = httpx.ASGITransport(Problems(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path)


def _ask(path: str, method: str = "GET", error: Exception | None = None) -> httpx.Response:
    return asyncio.run(_answer(path, method, error))


@pytest.mark.parametrize(
    ("error", "slug"), [(error, slug) for error, slug, *_ in CASES], ids=lambda value: type(value).__name__
)
def test_an_application_answers_with_the_face(error: Exception, slug: str) -> None:
    response = _ask("/raise", error=error)
    assert response.headers["content-type"] == PROBLEM
    assert (response.status_code, response.json()["type"]) == (PROBLEMS[slug].status, f"/problems/{slug}")


def test_starlettes_own_refusals_are_problems() -> None:
    missing = _ask("/nowhere")
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/not-found")
    wrong = _ask("/raise", "POST")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "/problems/method-not-allowed")
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_a_fault_of_ours_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = _ask("/raise", error=RuntimeError("the password is xyzzy"))
    assert response.status_code == 500
    assert "xyzzy" not in response.text
    assert "RuntimeError" not in response.text
    assert "GET /raise: RuntimeError: the password is xyzzy" in caplog.text


def test_what_the_client_did_is_not_logged_as_ours(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "service"):
        assert _ask("/raise", error=errors.MalformedBody("d")).status_code == 400
    assert caplog.text == ""
