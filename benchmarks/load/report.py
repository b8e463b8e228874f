"""The table: for the terminal, and for docs/performance.md."""

from __future__ import annotations

from typing import Any

from benchmarks.document import measured, table

__all__ = ["markdown", "missed", "text"]

_HEADER = ["what", "found", "bar", "besides"]


def _rows(results: dict[str, Any]) -> list[list[str]]:
    return [[row["title"], f"{row['found']:.2f}", _bar(row), row["said"]] for row in results["rows"]]


def _bar(row: dict[str, Any]) -> str:
    return "-" if row["bar"] is None else f"{row['bar']:g}"


def missed(results: dict[str, Any]) -> list[str]:
    """What is over its bar, in words."""
    rows = [row for row in results["rows"] if row["bar"] is not None and row["found"] > row["bar"]]
    return [f"over its bar: {row['title']}: {row['found']:.2f}, the bar {row['bar']:g}" for row in rows]


def text(results: dict[str, Any]) -> str:
    """For the terminal."""
    lines = [f"{what}: {found} (at most {bar})\n    {besides}" for what, found, bar, besides in _rows(results)]
    return "\n".join(["", *lines, "", *missed(results)]).rstrip()


def markdown(results: dict[str, Any]) -> str:
    """For the documentation: the table and where it comes from."""
    lines = [
        *measured("./dev bench load", results),
        "",
        *table(_HEADER, _rows(results)),
        "",
        *(f"* {line}" for line in missed(results)),
    ]
    return "\n".join(lines).rstrip()
