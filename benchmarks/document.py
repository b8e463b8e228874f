"""The parts of documentation that are written by benchmarks, between markers of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["fill", "markers", "table"]


def markers(name: str) -> tuple[str, str]:
    """What stands before and after the part of a benchmark."""
    return f"<!-- bench {name}: begin -->", f"<!-- bench {name}: end -->"


def fill(document: Path, name: str, content: str) -> None:
    """Put `content` between the markers.

    Raises:
        ValueError: the document has not both markers, once and in order.
    """
    begin, end = markers(name)
    text = document.read_text()
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"{document} needs the lines {begin} and {end}")
    before, rest = text.split(begin)
    document.write_text(f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines in Markdown: the first column to the left, numbers to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]
