"""Tables out of results: for the terminal, and between the markers of docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.document import Table, aligned, measured, sections

__all__ = ["markdown", "missed", "parts", "text"]

Record = dict[str, Any]


def missed(record: Record) -> str | None:
    """The bar that this record falls short of, in words."""
    ratio, bar = record["ratio"], record["bar"]
    if bar is None:
        return None
    wanted = "at least" if record["kind"] == "rates" else "at most"
    short = ratio < bar if wanted == "at least" else ratio > bar
    return f"{record['case']}: {ratio:.2f}, the bar {wanted} {bar:g}" if short else None


def _tables(results: Record) -> Iterator[Table]:
    records = results["records"]
    one = [record for record in records if record["kind"] == "commits"]
    if one:
        header = ["state", "raw p50", "commit p50", "ratio", "bar", "raw p99", "commit p99", "commits/s", "MB/s"]
        yield "One client, microseconds", header, [_commit(record) for record in one]
    many = [record for record in records if record["kind"] == "rates"]
    if many:
        header = ["state", "raw overwrites/s", "commits/s", "ratio", "bar"]
        yield f"{many[0]['clients']} clients, a network each", header, [_rate(record) for record in many]
    for record in (record for record in records if record["kind"] == "slots"):
        header = ["state", "steps", "slot files", "bar", "MB on disk at the end", "steps/s"]
        yield "A long run", header, [_slots(record)]
    for record in (record for record in records if record["kind"] == "http"):
        header = ["network", "raw p50", "computation p50", "step p50", "(step - computation) / raw", "bar", "step p99"]
        yield "A step over HTTP, one client, microseconds", header, [_step(record)]

    modes = [record for record in records if record["kind"] == "modes"]
    if modes:
        header = ["parameters", "optimizer", "record", "whole p50", "record p50"]
        yield (
            "A step as numbers and as a record, in the store alone, microseconds",
            header,
            [_kept(one) for one in modes],
        )
        header = ["parameters", "optimizer", "whole p50", "record p50", "ratio", "whole p99", "record p99", "crash"]
        yield "The same over HTTP, and computed again after a crash", header, [_answered(one) for one in modes]


def _commit(record: Record) -> list[str]:
    raw, ours = record["raw"], record["store"]
    cells = [_number(raw["p50"]), _number(ours["p50"]), f"{record['ratio']:.2f}", _bar(record)]
    cells += [_number(raw["p99"]), _number(ours["p99"]), _number(ours["rate"])]
    return [record["title"], *cells, _number(ours["rate"] * record["nbytes"] / 1e6)]


def _rate(record: Record) -> list[str]:
    raw, ours = (sorted(record[name])[len(record[name]) // 2] for name in ("raw_rates", "store_rates"))
    return [record["title"], _number(raw), _number(ours), f"{record['ratio']:.2f}", _bar(record)]


def _slots(record: Record) -> list[str]:
    cells = [f"{record['steps']:,}", str(record["slots"]), _bar(record)]
    return [record["title"], *cells, _number(record["bytes_used"] / 1e6), _number(record["steps_a_second"])]


def _step(record: Record) -> list[str]:
    times = [_number(record[name]["p50"]) for name in ("raw", "computation", "store")]
    return [record["title"], *times, f"{record['ratio']:.2f}", _bar(record), _number(record["store"]["p99"])]


def _kept(record: Record) -> list[str]:
    times = [_number(record[name]["p50"]) for name in ("store_whole", "store_record")]
    return [record["title"], record["optimizer"], f"{_number(record['record_bytes'] / 1e3)} KB", *times]


def _answered(record: Record) -> list[str]:
    p50, p99 = ([_number(record[name][which]) for name in ("whole", "record")] for which in ("p50", "p99"))
    crash = f"{record['again']['steps']} steps in {_number(record['again']['seconds'])} s"
    return [record["title"], record["optimizer"], *p50, f"{record['ratio']:.2f}", *p99, crash]


def _bar(record: Record) -> str:
    return "-" if record["bar"] is None else f"{record['bar']:g}"


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _short(results: Record) -> list[str]:
    return [f"short of its bar: {words}" for record in results["records"] if (words := missed(record)) is not None]


def text(results: Record) -> str:
    """For the terminal."""
    return "\n".join([*aligned(_tables(results)), "", *_short(results)])


def parts(results: Record) -> Iterator[tuple[str, Record]]:
    """What is measured of each part of the documentation, by its name."""
    for name, is_part in (("store", lambda kind: kind != "modes"), ("replay", lambda kind: kind == "modes")):
        records = [record for record in results["records"] if is_part(record["kind"])]
        if records:
            yield name, {**results, "records": records}


def markdown(results: Record) -> str:
    """For the documentation: the tables and where they come from."""
    origin = measured("./dev bench store", results, f"{results['file_system']}; SQLite {results['sqlite']}")
    return "\n".join([*origin, *sections(_tables(results)), "", *(f"* {line}" for line in _short(results))]).rstrip()
