"""`gradwire keys`: make, list and revoke API keys in a data folder, whether or not a server runs on it."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from typing import Any

from service.access import Key, KeyFile, Limits
from service.errors import ServiceError
from service.settings import Settings

__all__ = ["add", "run"]


def add(commands: Any) -> None:
    """Add the command to the parser's commands (`argparse` has no public name for what they are)."""
    keys = commands.add_parser("keys", help="make, list and revoke API keys")
    actions = keys.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and print it, once", allow_abbrev=False)
    create.add_argument("--name", type=_name, help="what it is for")
    create.add_argument("--owner", type=_owner, help="whose networks it sees [its own]")
    create.add_argument(
        "--requests-per-second", type=_rate, dest="rate", metavar="N", help="more are answered with 429"
    )
    create.add_argument("--max-networks", type=_count, dest="networks", metavar="N", help="how many its owner may have")
    create.add_argument(
        "--max-parameters", type=_count, dest="parameters", metavar="N", help="of one network that it makes"
    )
    revoke = actions.add_parser("revoke", help="end a key", allow_abbrev=False)
    revoke.add_argument("key", metavar="KEY_ID", help="as `list` shows it")
    for action in (create, revoke, actions.add_parser("list", help="show the keys, without their secrets")):
        action.add_argument("--data", metavar="DIR", help="folder of the store [gradwire-data; GRADWIRE_DATA]")


def run(settings: Settings, given: dict[str, Any]) -> int:
    """Do what was asked for, and give the exit status: 0 done, 1 it cannot be done."""
    file = KeyFile(settings.data)
    try:
        match given["action"]:
            case "create":
                limits = Limits(given["rate"], given["networks"], given["parameters"])
                _show_new(*file.create(given["name"] or "", given["owner"] or "", limits))
            case "revoke":
                sys.stderr.write(f"gradwire: {file.revoke(given['key']).id} is revoked\n")
            case _:
                _show(file.read())
    except ServiceError as error:
        sys.stderr.write(f"gradwire: {error.detail}\n")
        return 1
    return 0


def _show_new(key: Key, secret: str) -> None:
    sys.stderr.write(f"gradwire: {key.id} for owner {key.owner}; its secret is shown this once:\n")
    sys.stdout.write(f"{secret}\n")


def _show(keys: Sequence[Key]) -> None:
    rows = [("KEY_ID", "NAME", "OWNER", "CREATED", "REVOKED", "LIMITS")]
    for key in keys:
        limits = {name: value for name, value in vars(key.limits).items() if value is not None}
        said = " ".join(f"{name}={value:g}" for name, value in limits.items()) or "-"
        rows.append((key.id, key.name or "-", key.owner, key.created_at, key.revoked_at or "-", said))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def _name(text: str) -> str:
    if len(text) > 200 or not text.isprintable():
        raise argparse.ArgumentTypeError("a name has at most 200 characters, and no control characters")
    return text


def _owner(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise argparse.ArgumentTypeError("an owner is 1 to 64 letters, digits, dots, dashes and underscores")
    return text


def _rate(text: str) -> float:
    rate = float(text)
    if not (math.isfinite(rate) and rate > 0):
        raise argparse.ArgumentTypeError("more than 0 requests a second")
    return rate


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("0 or more")
    return count
