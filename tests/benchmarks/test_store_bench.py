"""The harness: what is timed has been kept, what falls short of a bar is said, and the document is filled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import document
from benchmarks.store import report
from benchmarks.store.__main__ import main, parse
from benchmarks.store.cases import CASES, Case
from benchmarks.store.measure import commits, rates, slots
from benchmarks.store.modes import modes
from benchmarks.store.over_http import steps
from benchmarks.store.subjects import Client, Wrong
from tests.contracts import stores

pytestmark = pytest.mark.slow


def test_one_client_is_timed_beside_the_overwrite(tmp_path: Path) -> None:
    found = commits(Case("small", "20 KB", 20_000, 8, burst=4), tmp_path, 8)
    assert found["raw"]["count"] == found["store"]["count"] == 8
    assert found["ratio"] > 0
    assert found["store"]["p99"] >= found["store"]["p50"] > 0
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_many_clients_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.store.measure._STORE_SECONDS", 0.2)
    found = rates(Case("many", "300 B", 300, 0, clients=8), tmp_path, 2)
    assert len(found["store_rates"]) == len(found["raw_rates"]) == 2
    assert min(found["store_rates"]) > 8


def test_slots_are_counted_while_they_are_there(tmp_path: Path) -> None:
    said: list[int] = []
    found = slots(Case("slots", "10 MB", 10_000_000, 6), tmp_path, 6, said.append)
    assert 2 <= found["slots"] <= 4
    assert found["bytes_used"] > 20_000_000


def test_a_step_over_http_is_timed_on_a_server(tmp_path: Path) -> None:
    found = steps(CASES["http"], tmp_path, 16)
    assert found["store"]["p50"] > found["computation"]["p50"] > 0


def test_steps_as_numbers_and_as_records_end_at_the_same_bits(tmp_path: Path) -> None:
    found = modes(CASES["replay-100kb"], tmp_path, 70)
    assert found["again"]["steps"] == (2 + found["record"]["count"]) % 64
    for name in ("store_whole", "store_record", "whole", "record"):
        assert found[name]["p50"] > 0
        assert found[name]["count"] >= 70
    assert found["record_bytes"] == 32 * (160 + 32) * 4


def test_a_store_that_forgets_is_an_error(tmp_path: Path) -> None:
    store = stores.inline(tmp_path)
    client = Client(store, 0, 4000)
    client()
    client.check()
    client.version += 1
    with pytest.raises(Wrong, match="is not at version 2"):
        client.check()
    store.close()


def record(kind: str, ratio: float, bar: float | None) -> dict[str, Any]:
    times = {"p50": 100.0, "p99": 200.0, "rate": 5000.0, "count": 9}
    return {
        "case": "x",
        "title": "100 KB",
        "kind": kind,
        "nbytes": 100_000,
        "clients": 64,
        "bar": bar,
        "ratio": ratio,
        "raw": times,
        "store": times,
        "computation": times,
        "raw_rates": [5000.0],
        "store_rates": [6000.0],
        "steps": 500,
        "slots": 3,
        "bytes_used": 3e7,
        "steps_a_second": 50.0,
        "optimizer": "sgd",
        "record_bytes": 24_000,
        "store_whole": times,
        "store_record": times,
        "whole": times,
        "record": times,
        "again": {"steps": 7, "seconds": 0.5},
    }


def test_bars_are_ceilings_but_for_rates() -> None:
    assert report.missed(record("commits", 1.9, 2.0)) is None
    assert report.missed(record("commits", 2.1, 2.0)) == "x: 2.10, the bar at most 2"
    assert report.missed(record("rates", 1.2, 1.0)) is None
    assert report.missed(record("rates", 0.9, 1.0)) == "x: 0.90, the bar at least 1"
    assert report.missed(record("slots", 5.0, 4.0)) == "x: 5.00, the bar at most 4"
    assert report.missed(record("commits", 9.0, None)) is None


def test_an_earlier_run_is_reported_and_fills_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record(kind, 2.5, 2.0) for kind in ("commits", "rates", "slots", "http")] + [record("modes", 2.5, None)]
    machine = {"processor": "p", "processors": 2, "memory_gb": 1, "system": "s"}
    results = {"date": "2000-01-01", "machine": machine, "file_system": "ext4", "sqlite": "3", "records": records}
    (tmp_path / "run.json").write_text(json.dumps(results))
    page = tmp_path / "performance.md"
    begin, end = document.markers("store")
    own = document.markers("replay")
    page.write_text(f"before\n{begin}\nold\n{end}\nbetween\n{own[0]}\nold\n{own[1]}\nafter\n")
    monkeypatch.setattr("benchmarks.command.DOCUMENT", page)
    assert main(["--report", str(tmp_path / "run.json"), "--markdown"]) == 0
    filled = page.read_text()
    assert filled.startswith(f"before\n{begin}\nMeasured by `./dev bench store` on 2000-01-01:\n")
    assert filled.endswith(f"| 100 KB | sgd | 100 | 100 | 2.50 | 200 | 200 | 7 steps in 0.5 s |\n{own[1]}\nafter\n")
    assert f"{end}\nbetween\n{own[0]}\nMeasured by" in filled
    assert "| 100 KB | 100 | 100 | 2.50 | 2 | 200 | 200 | 5,000 | 500 |" in filled
    assert "* short of its bar: x: 2.50, the bar at most 2" in filled
    assert "short of its bar: x: 2.50, the bar at most 2" in capsys.readouterr().out


def test_the_smoke_run_is_small() -> None:
    assert parse(["--quick"]).case == ["100kb", "many-100kb"]
    assert parse(["--quick", "--case", "http"]).case == ["http"]
