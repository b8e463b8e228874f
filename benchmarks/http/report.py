"""Tables out of results: for the terminal, and between the markers of docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.document import aligned, measured, sections

__all__ = ["capacity", "markdown", "missed", "text", "times"]

Record = dict[str, Any]

TIMES = {
    # processor time of a peer / gradwire's, at least
    "mlserver": {"feedforward-json-1": 2.5, "feedforward-json-100": 2.5, "feedforward-json-1000": 2.5},
    "litserve": {"feedforward-json-100": 10.0},
}
OURS = "gradwire"


def _processor(record: Record) -> dict[str, float]:
    return {timing["server"]: timing["processor"] for timing in record["timings"]}


def ours(record: Record) -> str:
    """The server that counts as ours in a record."""
    return next(timing["server"] for timing in record["timings"] if timing["server"].startswith(OURS))


def capacity(record: Record) -> float | None:
    """The echo's processor time as a part of ours."""
    found = _processor(record)
    return found["echo"] / found[ours(record)] if "echo" in found else None


def times(record: Record, peer: str) -> float | None:
    """A peer's processor time, as a multiple of ours."""
    found = _processor(record)
    return found[peer] / found[ours(record)] if peer in found else None


def missed(record: Record) -> list[str]:
    """The bars that this record falls short of, in words."""
    short = []
    reached = capacity(record)
    if record["bar"] is not None and reached is not None and reached < record["bar"]:
        short.append(f"{record['title']}, {_clients(record)}: capacity {reached:.3f}, the bar {record['bar']:g}")
    for peer, bars in TIMES.items():
        found, bar = times(record, peer), bars.get(record["call"])
        if bar is not None and found is not None and found < bar:
            short.append(f"{record['title']}, {_clients(record)}: {peer} / gradwire is {found:.2f}, the bar {bar:g}")
    return short


def _clients(record: Record) -> str:
    return f"{record['clients']} connection{'s' * (record['clients'] > 1)}"


def _tables(results: Record) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """(title, header, rows): processor time, then latencies, for each number of connections."""
    for clients in sorted({record["clients"] for record in results["records"]}):
        records = [record for record in results["records"] if record["clients"] == clients]
        peers = [name for name in _servers(records) if name != "echo" and not name.startswith(OURS)]
        header = ["call", "echo", OURS, "capacity", "bar", *peers]
        title = f"Processor time a request in microseconds (a peer's as a multiple of ours), {_clients(records[0])}"
        yield title, header, [_costs(record, peers) for record in records]
        title = f"Latency in microseconds, p50 / p99, {_clients(records[0])}"
        yield title, ["call", "echo", OURS, *peers], [_latencies(record, peers) for record in records]


def _servers(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(timing["server"] for record in records for timing in record["timings"]))


def _costs(record: Record, peers: Sequence[str]) -> list[str]:
    found, reached = _processor(record), capacity(record)
    cells = [record["title"], _number(found.get("echo")), _number(found[ours(record)])]
    cells.append("-" if reached is None else f"{reached:.2f}")
    cells.append("-" if record["bar"] is None else f"{record['bar']:.2f}")
    for peer in peers:
        ratio = times(record, peer)
        cells.append("-" if ratio is None else f"{_number(found[peer])} ({ratio:.1f})")
    return cells


def _latencies(record: Record, peers: Sequence[str]) -> list[str]:
    cells = {t["server"]: f"{_number(t['p50'])} / {_number(t['p99'])}" for t in record["timings"]}
    return [record["title"], *(cells.get(name, "-") for name in ("echo", ours(record), *peers))]


def _number(value: float | None) -> str:
    """Three digits, or all before the point."""
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def text(results: Record) -> str:
    """For the terminal."""
    return "\n".join([*aligned(_tables(results)), "", *_short(results)])


def _short(results: Record) -> list[str]:
    return [f"short of its bar: {line}" for record in results["records"] for line in missed(record)]


def markdown(results: Record) -> str:
    """For the documentation: the tables and where they come from."""
    origin = measured(
        "./dev bench http", results, ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    )
    return "\n".join([*origin, *sections(_tables(results)), "", *(f"* {line}" for line in _short(results))]).rstrip()
