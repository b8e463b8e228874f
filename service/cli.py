"""The `gradwire` command: settings come from flags and the environment, and what stops a start is one clear line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from service.commands import keys, lists, upkeep
from service.settings import Settings

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 done, 1 could not start or found damage, 2 wrong usage or not done."""
    given = vars(_parser().parse_args(arguments))
    command = given.pop("command")
    flags = {name: value for name, value in given.items() if name in Settings.model_fields and value is not None}
    try:
        settings = Settings(**flags)
    except ValidationError as error:
        _complain(_setting_faults(error))
        return 2
    if command == "keys":
        return keys.run(settings, given)
    if command in upkeep.COMMANDS:
        return upkeep.run(command, settings, given)
    if command in lists.COMMANDS:
        return lists.run(command, settings, given)
    return _openapi() if command == "openapi" else _serve(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gradwire", description="Gradients over the wire.")
    parser.add_argument("--version", action="version", version=f"gradwire {version('gradwire')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="start the service", allow_abbrev=False)
    for name, field in Settings.model_fields.items():
        _add_flag(serve, name, field)
    commands.add_parser("openapi", help="print the OpenAPI document")
    keys.add(commands)
    upkeep.add(commands)
    lists.add(commands)
    return parser


def _add_flag(parser: argparse.ArgumentParser, name: str, field: FieldInfo) -> None:
    default = f" [{field.default}; GRADWIRE_{name.upper()}]"
    shared: dict[str, Any] = {"dest": name, "default": None, "help": (field.description or "") + default}
    flag = "--" + name.replace("_", "-")
    if field.annotation is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, **shared)
        return
    choices = get_args(field.annotation)
    metavar = "|".join(choices) or name.rsplit("_", maxsplit=1)[-1].upper()
    parser.add_argument(flag, metavar=metavar, **shared)


def _setting_faults(error: ValidationError) -> str:
    names = ((str(fault["loc"][0]), fault["msg"]) for fault in error.errors())
    return "; ".join(f"--{name.replace('_', '-')} (GRADWIRE_{name.upper()}): {text}" for name, text in names)


def _serve(settings: Settings) -> int:
    from service.server import StartError, serve  # noqa: PLC0415  it takes a second: not for `--help` and a wrong flag

    try:
        serve(settings)
    except StartError as error:
        _complain(str(error))
        return 1
    return 0


def _openapi() -> int:
    from service.routers import openapi_document  # noqa: PLC0415  as in `_serve`

    sys.stdout.write(openapi_document())
    return 0


def _complain(line: str) -> None:
    sys.stderr.write(f"gradwire: {line}\n")
