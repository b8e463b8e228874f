"""Tables out of results: for the terminal, and between the markers of docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import benchmarks.document

__all__ = ["markdown", "text"]

NOT_ASKED = "not one of its operations"

Record = dict[str, Any]
Row = list[str]

BEGIN, END = benchmarks.document.markers("core")

GOALS = {
    # float32, one thread, a step: time / limit at most, then peer / gradwire at least
    "a": {"limit": 1.9, "torch": 11, "compile": 6, "jax": 2.3},
    "b": {"limit": 1.2, "torch": 1.7, "compile": 1.4, "jax": 1.1},
    "c": {"limit": 1.12, "torch": 1.3, "compile": 1.2, "jax": 1.12},
    "d": {"limit": 1.06, "torch": 1.25, "compile": 1.08, "jax": 1.08},
    "f": {"limit": 1.5, "torch": 4, "compile": 2.2, "jax": 1.5},
    "long run": {"torch": 9, "jax": 1.8},
}


def _medians(record: Record) -> dict[str, float]:
    return {each["engine"]: each["median"] for each in record["timings"] if each["median"] is not None}


def ratios(record: Record) -> dict[str, float]:
    """gradwire / limit under `limit`, and each other engine / gradwire under its name."""
    medians = _medians(record)
    own = medians.get("gradwire")
    if own is None:
        return {}
    others = {name: value / own for name, value in medians.items() if name not in {"limit", "gradwire"}}
    return ({"limit": own / medians["limit"]} if "limit" in medians else {}) | others


def missed(record: Record) -> list[str]:
    """The goals that this record falls short of, in words."""
    if record["dtype"] != "float32" or record["threads"] != 1 or record["operation"] not in {"step", "epochs"}:
        return []
    goals = GOALS.get("long run" if record["operation"] == "epochs" else record["case"], {})
    found, short = ratios(record), []
    for name, goal in goals.items():
        if name in found and (found[name] > goal if name == "limit" else found[name] < goal):
            what = "time / limit" if name == "limit" else f"{name} / gradwire"
            short.append(f"{record['case']}: {what} is {found[name]:.2f}, the goal {goal:g}")
    return short


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _tables(results: Record) -> Iterator[tuple[str, Row, list[Row]]]:
    """(title, header, rows) of each operation, dtype and thread count; then the long runs."""
    records = [record for record in results["records"] if record["operation"] != "epochs"]
    groups = {(record["operation"], record["dtype"], record["threads"]): None for record in records}
    for group in groups:
        mine = [r for r in records if (r["operation"], r["dtype"], r["threads"]) == group]
        engines = list(dict.fromkeys(each["engine"] for record in mine for each in record["timings"]))
        operation, dtype, threads = group
        title = f"{operation}, {dtype}, {_threads(threads)}, microseconds (times gradwire's)"
        yield title, ["case", *engines, "gradwire / limit"], [_row(record, engines) for record in mine]
    runs = [record for record in results["records"] if record["operation"] == "epochs"]
    for record in runs:
        title = f"epochs a second, 50,000 x 784, network a, batch 10, {record['dtype']}, {_threads(record['threads'])}"
        names = [each["engine"] for each in record["timings"] if each["not_run"] != NOT_ASKED]
        cells = {each["engine"]: each for each in record["timings"]}
        yield title, names, [[_rate(cells[name], ratios(record).get(name)) for name in names]]


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def _row(record: Record, engines: list[str]) -> Row:
    found, cells = ratios(record), {each["engine"]: each for each in record["timings"]}
    row = [record["case"]]
    for name in engines:
        median = cells[name]["median"] if name in cells else None
        times = f" ({found[name]:.2f})" if name in found and name != "limit" else ""
        row.append("-" if median is None else _number(median) + times)
    return [*row, f"{found['limit']:.2f}" if "limit" in found else "-"]


def _rate(timing: Record, ratio: float | None) -> str:
    if timing["median"] is None:
        return "-"
    times = "" if ratio is None else f" ({1 / ratio:.2f})"
    return f"{1e6 / timing['median']:.2f}{times}"


def _notes(results: Record) -> list[str]:
    """What was not run and why, once each."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for record in results["records"]:
        for each in record["timings"]:
            if each["not_run"] not in {None, NOT_ASKED}:
                place = record["case"] + (" epochs" if record["operation"] == "epochs" else "")
                reasons.setdefault((each["engine"], each["not_run"]), []).append(place)
    return [
        f"not run: {engine} in {', '.join(dict.fromkeys(places))}: {reason}"
        for (engine, reason), places in reasons.items()
    ]


def text(results: Record) -> str:
    """For the terminal."""
    lines: list[str] = []
    for title, header, rows in _tables(results):
        widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
        lines += ["", title]
        lines += [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
        ]
    short = [line for record in results["records"] for line in missed(record)]
    lines += ["", *_notes(results), *(f"short of its goal: {line}" for line in short)]
    return "\n".join(lines)


def markdown(results: Record) -> str:
    """For the documentation: the tables and where they come from."""
    machine, homes = results["machine"], results["versions"].values()
    named = sorted({f"{name} {value}" for home in homes for name, value in home.items() if isinstance(value, str)})
    lines = [
        f"Measured by `./dev bench core` on {results['date']}:",
        f"{machine['processor']}, {machine['processors']} processors, {machine['memory_gb']} GB, {machine['system']};",
        f"{', '.join(named)}.",
    ]
    for title, header, rows in _tables(results):
        lines += ["", f"**{title[0].upper()}{title[1:]}**", "", _line(header), _line(["---:"] * len(header))]
        lines += [_line(row) for row in rows]
    notes = _notes(results)
    return "\n".join([*lines, "", *(f"* {note}" for note in notes)]).rstrip()


def _line(cells: Row) -> str:
    return "| " + " | ".join(cells) + " |"
