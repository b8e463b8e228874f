"""What the demo promised and whether it held, the summary, and the commands that repeat a step by hand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Promises", "by_hand", "shown", "table"]


@dataclass
class Promises:
    """Each promise in words and whether it held; said as soon as it is known."""

    held: dict[str, bool] = field(default_factory=dict)

    def hold(self, promise: str, truth: bool) -> None:
        """Note whether a promise held."""
        self.held[promise] = bool(truth)

    @property
    def all_held(self) -> bool:
        """Whether there were promises, and each one held."""
        return bool(self.held) and all(self.held.values())

    def __str__(self) -> str:
        return "\n".join(f"  {'held  ' if truth else 'BROKEN'}  {promise}" for promise, truth in self.held.items())


def table(rows: Mapping[str, str]) -> str:
    """Two columns."""
    return "\n".join(f"  {name:<13}{value}" for name, value in rows.items())


def shown(path: Path) -> str:
    """A path as short as it can be said from here, quoted for a shell."""
    if not path.is_relative_to(Path.cwd()):
        return shlex.quote(str(path))
    relative = str(path.relative_to(Path.cwd()))
    return shlex.quote(relative if "/" in relative else f"./{relative}")  # a bare name would be looked up on the PATH


def by_hand(dev: Path, store: Path, body: Path, network: str, version: int) -> str:
    """Shell commands that serve the store again, repeat a step with one key, and read what there is."""
    url = f"http://127.0.0.1:8000/v1/networks/{network}"
    write = f"-H 'Content-Type: application/json' -H 'Idempotency-Key: by-hand-1' -H 'If-Match: \"{version}\"'"
    step = f"  curl -s {url}/sgd-step {write} --data @{shown(body)}"
    return f"""Serve it again, in a terminal of its own:

  {shown(dev)} serve --port 8000 --data {shown(store)}

One step by hand, in another. The second time gives the first answer again, and changes nothing:

{step}
{step}

What there is now:

  curl -s {url}
  curl -s '{url}/versions?limit=3'
  curl -s {url}/parameters
"""
