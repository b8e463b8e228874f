"""What is measured: how large a state is, how many write at once, and the bar that is held against it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CASES", "QUICK", "Case"]


@dataclass(frozen=True)
class Case:
    """One row. Without `clients` it is a run of its own kind (`slots`, `http`, and whatever has an optimizer)."""

    name: str
    title: str
    nbytes: int
    count: int
    """Operations of one client; for many, and for the slots, see `benchmarks.store.measure`."""
    burst: int = 1
    """Operations in turn before the other one has its turn."""
    clients: int = 1
    optimizer: str | None = None
    """Of steps that are kept as numbers and as records, in turns."""
    bar: float | None = None
    """One client: at most so many times a raw overwrite. Many: at least so many times its rate. Slots: at most so many."""


CASES = {
    case.name: case
    for case in (
        Case("100kb", "100 KB", 100_000, 1600, 16, bar=2.0),
        Case("1mb", "1 MB", 1_000_000, 400, 8),
        Case("10mb", "10 MB", 10_000_000, 80, 4),
        Case("100mb", "100 MB", 100_000_000, 15, bar=2.0),
        Case("400mb", "400 MB", 400_000_000, 7),
        Case("many-300b", "300 B", 300, 0, clients=64),
        Case("many-100kb", "100 KB", 100_000, 0, clients=64, bar=1.0),
        Case("slots", "10 MB", 10_000_000, 500, clients=0, bar=4.0),
        Case("http", "784-30-10, a batch of 10", 95_440, 800, 16, clients=0, bar=2.5),
        Case("replay-100kb", "100 KB", 100_000, 640, 16, clients=0, optimizer="sgd"),
        Case("replay-1mb", "1 MB", 1_000_000, 640, 8, clients=0, optimizer="sgd"),
        Case("replay-10mb", "10 MB", 10_000_000, 260, 4, clients=0, optimizer="sgd"),
        Case("replay-100mb", "100 MB", 100_000_000, 70, clients=0, optimizer="sgd"),
        Case("replay-100mb-adam", "100 MB", 100_000_000, 70, clients=0, optimizer="adam"),
        Case("replay-400mb", "400 MB", 400_000_000, 20, clients=0, optimizer="sgd"),
    )
}
QUICK = ("100kb", "many-100kb")
