"""What the descriptions of several endpoints share: headers, query parameters, and the ways in which they fail."""

from __future__ import annotations

from typing import Final

from service.routers.endpoint import Parameter
from service.routers.prefer import PATTERN
from service.routers.query import LARGEST

__all__ = [
    "AFTER",
    "ANSWER",
    "BATCH",
    "BODY",
    "CONDITION",
    "IDEMPOTENCY_KEY",
    "IF_MATCH",
    "IF_NONE_MATCH",
    "JOB",
    "JOB_KEY",
    "KEY",
    "KEYED",
    "LIMIT",
    "LONGEST_PAGE",
    "NETWORK",
    "PAGE",
    "PREFER",
    "VERSIONS_AFTER",
]

PAGE: Final = 50
LONGEST_PAGE: Final = 500

ANSWER: Final = ("malformed-body", "not-acceptable", "invalid-input", "storage-unavailable")
"""Any call: headers, `Accept`, query parameters, and the store."""
NETWORK: Final = ("not-found", "corrupt-state", "replay-differs")
"""A call that names a network."""
BODY: Final = ("unsupported-media-type", "too-large")
"""A call with a body."""
BATCH: Final = ("non-finite", "overloaded")
"""A call that computes."""
JOB: Final = ("idempotency-mismatch", "storage-full")
"""A call that may become a job."""
CONDITION: Final = ("stale-precondition", "precondition-required", "storage-full")
"""A write to a network."""
KEY: Final = ("still-running", "idempotency-mismatch", "storage-full")
"""A write that takes a key."""

KEYED: Final = ("unauthorized", "rate-limited")
"""Whatever asks for a key."""

_TAG: Final = r'(W/)?"[!#-~]*"'
_TAGS: Final = {"type": "string", "pattern": rf"^(\*|{_TAG}( *, *{_TAG})*)$"}
IF_MATCH: Final = Parameter(
    "If-Match",
    "header",
    "The versions that the write may replace, as entity tags, or `*`. Another current version is answered with 412, and"
    " nothing changes.",
    _TAGS,
    '"0"',
)
IF_NONE_MATCH: Final = Parameter(
    "If-None-Match", "header", "Versions that the client has, as entity tags: one of them is answered with 304.", _TAGS
)
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    "header",
    "Makes a retry safe: the write is applied once, and a retry of the same request (method, path, query, media type"
    " and body, byte for byte) gets the first answer again. It is looked up before `If-Match`, which may differ in a"
    " retry. A request that is refused does not use its key up.",
    {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
)
PREFER: Final = Parameter(
    "Prefer",
    "header",
    "`respond-async`: the call becomes a job, which is answered with 202 once it is on disk. `respond-async, wait=10`:"
    " only if it takes longer than so many seconds. Bad input and a stale `If-Match` are answered at once all the same.",
    {"type": "string", "pattern": PATTERN},
)
JOB_KEY: Final = Parameter(
    "Idempotency-Key",
    "header",
    "Where the call becomes a job: a retry of the same request gets the same job. Otherwise it changes nothing.",
    {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
)
LIMIT: Final = Parameter(
    "limit",
    "query",
    "How many to answer at most.",
    {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE, "default": PAGE},
)
AFTER: Final = Parameter("after", "query", "The cursor `next` of the page before.", {"type": "string"})
VERSIONS_AFTER: Final = Parameter(
    "after",
    "query",
    "Only versions older than this one: the cursor `next` of the page before.",
    {"type": "integer", "minimum": 0, "maximum": LARGEST},
)
