"""`gradwire doctor`, `backup` and `restore`: a store is looked at, copied while it serves, and put back.

Standard output has what was found, standard error what went wrong. Exit status: 0 done and sound, 1 something is
damaged, 2 it could not be done.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from service.errors import CorruptState, ServiceError
from service.settings import Settings
from service.storage.backup import copy_store
from service.storage.doctor import Report, examine

__all__ = ["COMMANDS", "add", "run"]

COMMANDS: Final = ("doctor", "backup", "restore")


def add(commands: Any) -> None:
    """Add the commands to the parser's commands (`argparse` has no public name for what they are)."""
    doctor = commands.add_parser("doctor", help="look at everything in a store that is at rest", allow_abbrev=False)
    doctor.add_argument("--replay", action="store_true", help="compute every logged step again, and compare")
    backup = commands.add_parser("backup", help="copy a store, also while it serves", allow_abbrev=False)
    backup.add_argument("place", metavar="DIR", type=Path, help="where to; missing or empty")
    restore = commands.add_parser("restore", help="make a store from a backup", allow_abbrev=False)
    restore.add_argument("place", metavar="BACKUP", type=Path, help="what `backup` made")
    for command in (doctor, backup, restore):
        command.add_argument("--data", metavar="DIR", help="folder of the store [gradwire-data; GRADWIRE_DATA]")


def run(command: str, settings: Settings, given: dict[str, Any]) -> int:
    """Do what was asked for, and give the exit status."""
    try:
        if command == "doctor":
            return _tell(_examined(settings, replay=given["replay"]))
        source, copy = settings.data, given["place"]
        if command == "restore":
            source, copy = copy, source
        return _tell(copy_store(source, copy))
    except ServiceError as error:
        sys.stderr.write(f"gradwire: {error.detail}\n")
        return 1 if isinstance(error, CorruptState) else 2


def _examined(settings: Settings, *, replay: bool) -> Report:
    report = examine(settings.data)
    if report.numerics:
        from service.commands.steps import look_at_steps  # noqa: PLC0415  it takes a second, for what few stores have

        look_at_steps(report, settings.backend, again=replay and not report.faults)
    return report


def _tell(report: Report) -> int:
    for fault in report.faults:
        sys.stdout.write(f"damage: {fault}\n")
    for note in report.notes:
        sys.stdout.write(f"note: {note}\n")
    sys.stdout.write(f"{report.summary()}\n")
    return 1 if report.faults else 0
