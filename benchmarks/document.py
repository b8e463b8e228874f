"""The parts of documentation that are written by benchmarks, between markers of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Table", "aligned", "fill", "markers", "measured", "sections", "table"]

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A title, a header and rows."""


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


def measured(command: str, results: dict[str, Any], *besides: str) -> list[str]:
    """By what, when and where, and what else tells where numbers come from."""
    machine = results["machine"]
    where = (
        f"{machine['processor']}, {machine['processors']} processors, {machine['memory_gb']} GB, {machine['system']}"
    )
    lines = [where, *besides]
    return [f"Measured by `{command}` on {results['date']}:", *(f"{line};" for line in lines[:-1]), f"{lines[-1]}."]


def sections(tables: Iterable[Table]) -> list[str]:
    """Tables in Markdown, each under its title."""
    return [line for title, header, rows in tables for line in ("", f"**{title}**", "", *table(header, rows))]


def aligned(tables: Iterable[Table]) -> list[str]:
    """Tables for a terminal, each under its title."""
    lines: list[str] = []
    for title, header, rows in tables:
        widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
        lines += ["", title]
        for first, *cells in (header, *rows):
            lines.append("  ".join((first.ljust(widths[0]), *map(str.rjust, cells, widths[1:]))))
    return lines
