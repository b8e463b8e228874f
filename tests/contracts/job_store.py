"""The contract of a store of jobs: a store is finished when it passes `JobStoreContract`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.errors import AlreadyExists, CorruptState, Gone, InvalidInput, NotFound
from service.storage.jobs.base import JobEvent, JobRecord, JobStore
from service.storage.jobs.changes import JobRetention
from service.storage.sqlite import SqliteStore
from tests.contracts import stores
from tests.contracts.drawings import flip

NETWORK = "net_a"


def record(number: int, network: str = NETWORK, **fields: Any) -> JobRecord:
    request = {"media": "application/json", "guard": {"key": None}}
    return JobRecord(
        f"job_{number}", "feedforward", network, f"2026-01-01T00:00:{number:02}.000000Z", request, **fields
    )


def ended(job: JobRecord, at: str = "2026-01-02T00:00:00.000000Z") -> JobRecord:
    done = {"status": 200, "version": 7}
    return replace(job, status="succeeded", attempts=1, started_at=at, finished_at=at, outcome=done)


class JobStoreContract:
    """Subclass it and name the store (a function of `tests.contracts.stores`)."""

    name: str

    def open(self, folder: Path, **bounds: int) -> SqliteStore:
        store: SqliteStore = getattr(stores, self.name)(folder, job_retention=JobRetention(**bounds))
        return store

    @pytest.fixture
    def jobs(self, tmp_path: Path) -> Iterator[JobStore]:
        store = self.open(tmp_path)
        yield store.jobs
        store.close()

    def test_a_job_and_its_request_are_kept_together(self, tmp_path: Path) -> None:
        job = record(1, owner="me", key="k", fingerprint="f")
        store = self.open(tmp_path)
        store.jobs.create(job, b"body", JobEvent(1, "status", {"status": "queued"})).result(30)
        store.close()
        store = self.open(tmp_path)
        assert store.jobs.job("job_1") == job
        assert store.jobs.of_key(NETWORK, "k") == job
        assert store.jobs.of_key("net_b", "k") is None
        assert store.jobs.body("job_1") == b"body"
        assert store.jobs.result("job_1") is None
        assert store.jobs.events("job_1") == [JobEvent(1, "status", {"status": "queued"})]
        assert store.jobs.unfinished() == [(job, 4)]
        store.close()

    def test_its_states_and_events(self, jobs: JobStore) -> None:
        job = record(1)
        jobs.create(job, b"body", JobEvent(1, "status")).result(30)
        going = replace(job, status="running", attempts=1, started_at="t", progress={"epoch": 3})
        jobs.update(going, JobEvent(2, "progress", {"epoch": 3})).result(30)
        assert jobs.job("job_1") == going
        assert [event.number for event in jobs.events("job_1", 1)] == [2]
        done = ended(going)
        jobs.finish(done, JobEvent(3, "status", {"a": None}), b"result").result(30)
        assert jobs.job("job_1") == done
        assert jobs.result("job_1") == b"result"
        assert jobs.unfinished() == []
        with pytest.raises(Gone):
            jobs.body("job_1")

    def test_a_network_has_one_job_of_a_key(self, jobs: JobStore) -> None:
        jobs.create(record(1, key="k"), b"1", JobEvent(1, "status")).result(30)
        with pytest.raises(AlreadyExists):
            jobs.create(record(2, key="k"), b"2", JobEvent(1, "status")).result(30)
        jobs.create(record(3, "net_b", key="k"), b"3", JobEvent(1, "status")).result(30)
        jobs.create(record(4), b"4", JobEvent(1, "status")).result(30)
        jobs.create(record(5), b"5", JobEvent(1, "status")).result(30)
        assert [job.id for job, _ in jobs.unfinished()] == ["job_1", "job_3", "job_4", "job_5"]

    def test_what_is_not_there(self, jobs: JobStore) -> None:
        with pytest.raises(NotFound):
            jobs.job("job_9")
        with pytest.raises(NotFound):
            jobs.update(record(9), JobEvent(2, "status")).result(30)
        with pytest.raises(NotFound):
            jobs.finish(ended(record(9)), JobEvent(2, "status"), b"result").result(30)
        assert (jobs.result("job_9"), jobs.events("job_9")) == (None, [])

    def test_pages_are_newest_first_and_of_what_is_asked_for(self, jobs: JobStore) -> None:
        for number in range(1, 8):
            network, owner = ("net_a", "net_b")[number % 2], ("", "me")[number // 5]
            jobs.create(record(number, network, owner=owner), b"x", JobEvent(1, "status")).result(30)
        jobs.finish(ended(record(4)), JobEvent(2, "status"), None).result(30)

        def listed(**wanted: Any) -> list[int]:
            found, after = [], None
            while True:
                page, after = jobs.jobs(2, after, **wanted)
                found += [int(job.id.removeprefix("job_")) for job in page]
                assert len(page) == 2 or after is None
                if after is None:
                    return found

        assert listed() == [7, 6, 5, 4, 3, 2, 1]
        assert listed(network="net_a") == [6, 4, 2]
        assert listed(owner="me") == [7, 6, 5]
        assert listed(owner="") == [4, 3, 2, 1]
        assert listed(status="succeeded") == [4]
        assert listed(network="net_b", owner="me", status="queued") == [7, 5]
        assert listed(network="net_c") == []
        for cursor in ("", "x", "-1", "9" * 30):
            with pytest.raises(InvalidInput):
                jobs.jobs(2, cursor)

    def test_results_are_given_up_by_age(self, jobs: JobStore) -> None:
        for number, at in ((1, "2026-01-01"), (2, "2026-01-02"), (3, "2026-01-03")):
            jobs.create(record(number), b"x", JobEvent(1, "status")).result(30)
            jobs.finish(ended(record(number), at), JobEvent(2, "status"), b"result").result(30)
        jobs.forget_results("2026-01-02").result(30)
        assert [jobs.result(f"job_{number}") for number in (1, 2, 3)] == [None, None, b"result"]
        assert jobs.job("job_1").status == "succeeded"

    def test_what_is_kept_is_bounded(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, jobs=100, result_bytes=25, events=3)
        jobs = store.jobs
        jobs.create(record(1), b"x", JobEvent(1, "status")).result(30)
        for number in range(2, 9):
            jobs.update(record(1), JobEvent(number, "progress")).result(30)
        assert [event.number for event in jobs.events("job_1")] == [6, 7, 8]
        for number in range(2, 6):
            jobs.create(record(number), b"x", JobEvent(1, "status")).result(30)
            jobs.finish(ended(record(number)), JobEvent(2, "status"), b"0123456789").result(30)
        assert [jobs.result(f"job_{number}") is not None for number in range(2, 6)] == [False, False, True, True]
        jobs.finish(ended(record(1)), JobEvent(9, "status"), b"0" * 100).result(30)
        assert [jobs.result(f"job_{number}") is not None for number in range(1, 6)] == [True] + [False] * 4
        assert jobs.job("job_1").status == "succeeded"
        store.close()

    def test_the_oldest_jobs_that_have_finished_are_forgotten(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, jobs=10)
        jobs = store.jobs
        first = replace(record(0), id="job_first")
        jobs.create(first, b"x", JobEvent(1, "status")).result(30)
        made = [replace(record(number % 60), id=f"job_{number}") for number in range(200)]
        for future in [jobs.create(job, b"x", JobEvent(1, "status")) for job in made]:
            future.result(30)
        # The one that came first ends last, and is therefore kept.
        for number, job in enumerate([*made[1:], made[0]]):
            jobs.finish(ended(job, f"2026-01-01T00:{number:03}"), JobEvent(2, "status"), b"result").result(30)
        kept = {job.id for job in jobs.jobs(500)[0]}
        assert 10 <= len(kept) - 1 <= 74
        assert {"job_first", "job_0", "job_199"} < kept
        assert "job_1" not in kept
        assert jobs.body("job_first") == b"x"
        with pytest.raises(NotFound):
            jobs.job("job_1")
        assert (jobs.events("job_1"), jobs.result("job_1")) == ([], None)
        store.close()

    def test_what_is_large_takes_no_room_once_it_is_given_up(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        body, result = bytes(range(256)) * 20_000, bytes(range(255, -1, -1)) * 20_000
        for number in range(1, 4):
            store.jobs.create(record(number), body, JobEvent(1, "status")).result(30)
            assert store.jobs.body(f"job_{number}") == body
            store.jobs.finish(ended(record(number)), JobEvent(2, "status"), result).result(30)
        store.close()
        store = self.open(tmp_path)
        assert [store.jobs.result(f"job_{number}") for number in range(1, 4)] == [result] * 3
        assert len(list((tmp_path / "slots").iterdir())) <= 4
        store.jobs.forget_results("2027").result(30)
        assert store.jobs.result("job_1") is None
        store.close()

    @pytest.mark.parametrize("which", ["body", "result"])
    def test_a_flipped_byte_is_found_and_named(self, tmp_path: Path, which: str) -> None:
        store = self.open(tmp_path)
        content = bytes(range(256)) * 8
        body, result = (content, b"x") if which == "body" else (b"x", content)
        store.jobs.create(record(1), body, JobEvent(1, "status")).result(30)
        if which == "result":
            store.jobs.finish(ended(record(1)), JobEvent(2, "status"), result).result(30)
        store.close()
        flip(tmp_path, content, 1234)
        store = self.open(tmp_path)
        with pytest.raises(CorruptState):
            getattr(store.jobs, which)("job_1")
        store.close()
