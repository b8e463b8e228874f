"""Every kind of problem: its slug, title and status, and the page that explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from service.errors import NotFound

__all__ = ["PROBLEMS", "ProblemType", "page"]


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem; clients may rely on `slug` and `status`. Without a slug, no more than its status is known."""

    slug: str
    title: str
    status: int

    @property
    def type(self) -> str:
        """The URI reference that identifies the kind, and where its page is."""
        return f"/problems/{self.slug}" if self.slug else "about:blank"


PROBLEMS: Final[Mapping[str, ProblemType]] = {
    kind.slug: kind
    for kind in (
        ProblemType("malformed-body", "The request cannot be parsed", 400),
        ProblemType("unauthorized", "A key is needed", 401),
        ProblemType("not-found", "There is no such thing", 404),
        ProblemType("method-not-allowed", "The method is not allowed here", 405),
        ProblemType("not-acceptable", "The answer cannot be had in that type", 406),
        ProblemType("still-running", "The first request with this key is still running", 409),
        ProblemType("already-exists", "The name is taken", 409),
        ProblemType("job-running", "The job has not finished", 409),
        ProblemType("gone", "It has been given up", 410),
        ProblemType("stale-precondition", "The network has another version", 412),
        ProblemType("too-large", "Over a limit", 413),
        ProblemType("unsupported-media-type", "The body's type is not spoken here", 415),
        ProblemType("invalid-input", "The request was read and is wrong", 422),
        ProblemType("idempotency-mismatch", "The key belongs to another request", 422),
        ProblemType("non-finite", "The computation left the finite numbers", 422),
        ProblemType("precondition-required", "The write needs If-Match", 428),
        ProblemType("rate-limited", "The key has used its allowance up", 429),
        ProblemType("internal", "A fault in the service", 500),
        ProblemType("interrupted", "The service stopped while it ran the job", 500),
        ProblemType("corrupt-state", "What is on disk is not what was written", 500),
        ProblemType("replay-differs", "The steps, computed again, do not give what was answered", 500),
        ProblemType("overloaded", "No room now", 503),
        ProblemType("storage-unavailable", "The store is not available", 503),
        ProblemType("storage-full", "The disk is full", 507),
    )
}
"""By slug, in the order of their status codes."""


@cache
def page(slug: str) -> str:
    """The page about a kind of problem, in Markdown.

    Raises:
        NotFound: there is no such kind.
    """
    if slug not in PROBLEMS:
        raise NotFound("There is no such kind of problem.")
    return resources.files("service.problems").joinpath("pages", f"{slug}.md").read_text(encoding="utf-8")
