"""`gradwire networks` and `gradwire jobs`: what a running service has, as a table for a person at a terminal.

Standard output has the table, standard error what went wrong. Exit status: 0 done, 1 the service cannot be reached or
has refused.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, get_args
from urllib.parse import urlencode

from service.settings import Settings
from service.storage.jobs.base import Status

__all__ = ["COMMANDS", "add", "run"]

COMMANDS: Final = ("jobs", "networks")
_PAGE: Final = 500
_PATIENCE: Final = 30.0

Document = dict[str, Any]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Nothing of a service is elsewhere, and the key is for nobody else."""

    def redirect_request(self, *_arguments: Any) -> None:
        """Do not follow."""


_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())


class Refused(Exception):
    """The service has not answered with a list; the message is one line for whoever asked."""


def add(commands: Any) -> None:
    """Add the commands to the parser's commands (`argparse` has no public name for what they are)."""
    jobs = commands.add_parser("jobs", help="list the jobs of a running service", allow_abbrev=False)
    jobs.add_argument("--status", choices=get_args(Status), help="only jobs in this state")
    jobs.add_argument("--network", metavar="ID", help="only jobs of this network")
    networks = commands.add_parser("networks", help="list the networks of a running service", allow_abbrev=False)
    for command in (jobs, networks):
        command.add_argument("--url", type=_url, help="where the service is [http://HOST:PORT of the settings]")
        command.add_argument("--limit", type=_count, default=50, metavar="N", help="how many to show at most [50]")
        command.add_argument("--host", help="address of the service [127.0.0.1; GRADWIRE_HOST]")
        command.add_argument("--port", help="port of the service [8000; GRADWIRE_PORT]")
        command.epilog = "Where the service asks for a key, GRADWIRE_API_KEY has it."


def run(command: str, settings: Settings, given: dict[str, Any]) -> int:
    """Show the list that was asked for, and give the exit status."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = given["url"] or f"http://{host}:{settings.port}"
    query = {name: given[name] for name in ("status", "network") if given.get(name) is not None}
    try:
        found = list(islice(_all(url, command, query, given["limit"]), given["limit"]))
    except Refused as error:
        sys.stderr.write(f"gradwire: {error}\n")
        return 1
    _show(_JOBS if command == "jobs" else _NETWORKS, found)
    return 0


def _all(url: str, what: str, query: dict[str, str], most: int) -> Iterator[Document]:
    """Everything in the list, page after page."""
    after: dict[str, str] = {}
    while True:
        page = _ask(f"{url}/v1/{what}?{urlencode({**query, **after, 'limit': min(most, _PAGE)})}")
        if not isinstance(page, dict) or what not in page:
            raise Refused(f"{url} is no Gradwire")
        yield from page[what]
        if page["next"] is None:
            return
        after = {"after": page["next"]}


def _ask(url: str) -> Any:
    headers = {"accept": "application/json"}
    if key := os.environ.get("GRADWIRE_API_KEY"):
        headers["authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  http and https are all that `_url` lets pass
    try:
        with _DIRECT.open(request, timeout=_PATIENCE) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(f"{url}: {error.code} {_detail(error)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(f"{url} does not answer: {getattr(error, 'reason', error)}") from error


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (OSError, ValueError, KeyError, TypeError):
        return error.reason


Column = tuple[str, Callable[[Document], str]]


def _shape(network: Document) -> str:
    layers = (f"{layer['units']} {layer['activation']}" for layer in network["layers"])
    return ", ".join([str(network["inputs"]), *layers])


def _seconds(job: Document) -> str:
    """How long it ran, or has run so far."""
    if job["started_at"] is None:
        return "-"
    begun = datetime.fromisoformat(job["started_at"])
    until = datetime.now(UTC) if job["finished_at"] is None else datetime.fromisoformat(job["finished_at"])
    return f"{max(0.0, (until - begun).total_seconds()):.1f}"


def _progress(job: Document) -> str:
    if job["error"] is not None:
        return str(job["error"]["detail"])
    report = job["progress"] or {}
    return " ".join(f"{name}={_number(value)}" for name, value in report.items() if value is not None) or "-"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_JOBS: Final[Sequence[Column]] = (
    ("ID", lambda job: job["id"]),
    ("KIND", lambda job: job["kind"]),
    ("NETWORK", lambda job: job["network"]),
    ("STATUS", lambda job: job["status"]),
    ("CREATED", lambda job: job["created_at"][:19] + "Z"),
    ("SECONDS", _seconds),
    ("PROGRESS", _progress),
)
_NETWORKS: Final[Sequence[Column]] = (
    ("ID", lambda network: network["id"]),
    ("NAME", lambda network: network["name"] or "-"),
    ("VERSION", lambda network: str(network["version"])),
    ("PARAMETERS", lambda network: f"{network['parameter_count']:,}"),
    ("DTYPE", lambda network: network["dtype"]),
    ("COST", lambda network: network["cost"]),
    ("UPDATED", lambda network: network["updated_at"][:19] + "Z"),
    ("LAYERS", _shape),
)


def _show(columns: Sequence[Column], found: Sequence[Document]) -> None:
    rows = [[name for name, _ in columns], *([_clean(cell(one)) for _, cell in columns] for one in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def _clean(text: str) -> str:
    """At most 60 characters, none of which moves the cursor."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+/?", text):
        raise argparse.ArgumentTypeError("http:// or https://, a host and perhaps a port")
    return text.rstrip("/")


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return count
