"""Jobs of kinds made for these tests, on a real engine and store, without HTTP."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.network import Architecture, Layer
from core.optimizers import make_options
from service import bootstrap, operations
from service.engine.base import Guard
from service.errors import Gone, NotFound, Overloaded, StillRunning, StorageFull
from service.jobs import Bounds, Ended, Failure, Jobs, Kind, Runner, Submission, Work
from service.metrics import Metrics
from service.operations import Service
from service.operations.views import seen_by
from service.problems import face_of
from service.settings import Settings
from service.storage.jobs.base import JobEvent, JobRecord, JobStore
from tests.contracts.engine_base import until

ARCHITECTURE = Architecture(2, (Layer(1, "identity"),), "quadratic", "float64")
BATCH = (np.array([[0.0, 1.0]]), np.array([[1.0]]))
SGD = make_options("sgd", {"learning_rate": 0.5})
DONE = Ended(b"done")


class Desk:
    """A running service with jobs of other kinds than its own."""

    def __init__(self, running: bootstrap.Running, kinds: Mapping[str, Kind], **bounds: Any) -> None:
        self.service = running.service
        self.store: JobStore = running.jobs._store
        runner = Runner(self.store, kinds, lambda owner: seen_by(self.service, owner), _explained, Bounds(**bounds))
        self.runner = runner
        self.jobs = Jobs(runner)

    async def submit(self, kind: str, network: str = "net_a", **guard: Any) -> str:
        asked = Submission(kind, network, b"{}", "application/json", "application/json", Guard(**guard))
        return (await self.jobs.submit(asked)).id

    async def end(self, job: str) -> JobRecord:
        record = await self.jobs.find(job, "", 20)
        assert record.finished
        return record

    async def until(self, job: str, status: str) -> None:
        async with asyncio.timeout(20):
            while (await self.jobs.find(job, "")).status != status:  # noqa: ASYNC110  its event is not ours
                await asyncio.sleep(0.002)

    async def network(self) -> str:
        new = operations.NewNetwork("n", ARCHITECTURE, operations.drawn(None, 1))
        return str((await operations.create_network(seen_by(self.service, ""), new, Guard())).body["id"])


def _explained(error: Exception) -> Failure:
    face = face_of(error)
    return Failure(face.document, face.headers)


def refuse_ends(desk: Desk, error: Exception, times: int, monkeypatch: pytest.MonkeyPatch) -> list[JobRecord]:
    """Let the store refuse the end of a job so many times; what it has refused."""
    finish, refused = desk.store.finish, []

    def refusing(record: JobRecord, event: JobEvent, result: bytes | None) -> Future[None]:
        if len(refused) == times:
            return finish(record, event, result)
        refused.append(record)
        future: Future[None] = Future()
        future.set_exception(error)
        return future

    monkeypatch.setattr(desk.store, "finish", refusing)
    return refused


def run(folder: Path, body: Callable[[bootstrap.Running], Awaitable[None]], **settings: Any) -> None:
    async def whole() -> None:
        running = await bootstrap.start(Settings(data=folder / "data", **settings), Metrics())
        try:
            await body(running)
        finally:
            await bootstrap.stop(running)

    asyncio.run(whole())


async def _step(service: Service, work: Work) -> Ended:
    snapshot = await service.engine.snapshot(work.network)
    applied = await operations.sgd_step(service, snapshot, BATCH, SGD, work.guard)
    return Ended(str(applied.version).encode(), applied.status, applied.version)


def test_reports_are_told_in_order_and_kept(tmp_path: Path) -> None:
    async def kind(_service: Service, work: Work) -> Ended:
        def train() -> None:
            for epoch in range(5):
                work.progress({"epoch": epoch, "cost": 1 / (epoch + 1)})

        await asyncio.to_thread(train)
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"train": Kind(kind)})
        job = await desk.submit("train")
        told = [event async for event in desk.jobs.follow(job, "", 0)]
        assert [event.number for event in told if event] == list(range(1, 9))
        names = [(event.name, event.data.get("epoch", event.data.get("status"))) for event in told if event]
        epochs = [("progress", epoch) for epoch in range(5)]
        assert names == [("status", "queued"), ("status", "running"), *epochs, ("status", "succeeded")]
        record = await desk.end(job)
        assert record.progress == {"epoch": 4, "cost": 0.2}
        assert [event async for event in desk.jobs.follow(job, "", 0)] == told
        assert [event.number async for event in desk.jobs.follow(job, "", 6) if event] == [7, 8]
        assert (await desk.jobs.answer(job, "")).body == b"done"

    run(tmp_path, body)


def test_what_is_told_while_a_follower_takes_the_last_event_reaches_it_at_once(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def kind(_service: Service, _work: Work) -> Ended:
        await go.wait()
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)})
        job = await desk.submit("x")
        following = desk.jobs.follow(job, "", 0)
        told = [await anext(following)]
        await desk.until(job, "running")
        async with asyncio.timeout(12):  # a heartbeat is 15 s
            told.append(await anext(following))
        go.set()
        await desk.end(job)
        told += [event async for event in following]
        assert [event and event.data["status"] for event in told] == ["queued", "running", "succeeded"]

    run(tmp_path, body)


def test_another_owner_sees_nothing(tmp_path: Path) -> None:
    async def kind(_service: Service, _work: Work) -> Ended:
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)})
        job = await desk.submit("x")
        for _ in range(2):
            for ask in (desk.jobs.find, desk.jobs.answer, desk.jobs.cancel):
                with pytest.raises(NotFound):
                    await ask(job, "someone")
            with pytest.raises(NotFound):
                await anext(desk.jobs.follow(job, "someone", 0))
            await desk.end(job)
        assert (await desk.jobs.page(9, None, owner="someone", network=None, status=None))[0] == []

    run(tmp_path, body)


def test_work_in_a_thread_hears_that_it_is_to_stop(tmp_path: Path) -> None:
    begun, stopped = threading.Event(), threading.Event()

    async def kind(_service: Service, work: Work) -> Ended:
        def train() -> None:
            begun.set()
            while not work.token.cancelled:
                pass
            stopped.set()

        await asyncio.to_thread(train)
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"train": Kind(kind)})
        job = await desk.submit("train")
        assert await asyncio.to_thread(begun.wait, 20)
        assert (await desk.jobs.cancel(job, "")).status == "cancelled"
        assert await asyncio.to_thread(stopped.wait, 20)
        with pytest.raises(Gone):
            await desk.jobs.answer(job, "")
        assert desk.runner.running == 0

    run(tmp_path, body)


def test_a_write_that_has_landed_is_not_undone_by_cancelling(tmp_path: Path) -> None:
    landed, runs = asyncio.Event(), []

    async def kind(service: Service, work: Work) -> Ended:
        runs.append(work.id)
        ended = await _step(service, work)
        landed.set()
        if len(runs) == 1:
            await asyncio.sleep(60)
        return ended

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"step": Kind(kind, writes=True)})
        network = await desk.network()
        job = await desk.submit("step", network, if_match=frozenset({0}))
        await landed.wait()
        assert (await desk.jobs.cancel(job, "")).status == "succeeded"
        answer = await desk.jobs.answer(job, "")
        assert (answer.body, answer.version) == (b"1", 1)
        assert (await running.service.engine.record(network)).version == 1

    run(tmp_path, body)


@pytest.mark.parametrize("key", [None, "mine"])
@pytest.mark.parametrize("deaths", [0, 3])
def test_a_job_that_is_run_again_after_its_write_is_applied_once(tmp_path: Path, key: str | None, deaths: int) -> None:
    landed = asyncio.Event()

    async def first(service: Service, work: Work) -> Ended:
        await _step(service, work)
        landed.set()
        await asyncio.sleep(60)
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"step": Kind(first, writes=True)}, leave_seconds=0.05)
        network = await desk.network()
        given = {"key": key, "fingerprint": "f"} if key else {}
        job = await desk.submit("step", network, if_match=frozenset({0}), **given)
        await landed.wait()
        await desk.jobs.stop()
        left = desk.store.job(job)
        assert (left.status, left.attempts) == ("queued", 0)
        if deaths:  # it is not run again, and has succeeded all the same
            desk.store.update(replace(left, status="running", attempts=deaths), JobEvent(90, "status", {})).result()
        later = Desk(running, {"step": Kind(_step, writes=True)})
        await later.jobs.start()
        assert (await later.end(job)).status == "succeeded"
        assert (await later.jobs.answer(job, "")).body == b"1"
        assert (await running.service.engine.record(network)).version == 1
        numbers = [event.number for event in desk.store.events(job)]
        assert numbers == sorted(set(numbers))
        await later.jobs.stop()

    run(tmp_path, body)


@pytest.mark.parametrize("error", [Overloaded("full", 0), StillRunning("busy", 0)])
def test_what_there_is_no_room_for_is_tried_again(tmp_path: Path, error: Exception) -> None:
    runs = []

    async def kind(_service: Service, work: Work) -> Ended:
        runs.append(work.attempt)
        if len(runs) < 3:
            raise error
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)})
        assert (await desk.end(await desk.submit("x"))).status == "succeeded"
        assert runs == [1, 1, 1]

    run(tmp_path, body)


def test_a_wrong_guess_of_when_there_is_room_keeps_no_worker(tmp_path: Path) -> None:
    runs: list[int] = []

    async def kind(_service: Service, work: Work) -> Ended:
        runs.append(work.attempt)
        if len(runs) == 1:
            raise Overloaded("full", 3600)
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)}, workers=1)
        job = await desk.submit("x")
        assert (await desk.jobs.find(job, "", 10)).status == "succeeded"

    run(tmp_path, body)


def test_a_full_disk_at_its_end_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobs.runner._AGAIN", 0.01)

    async def kind(_service: Service, _work: Work) -> Ended:
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)})
        refused = refuse_ends(desk, StorageFull("full"), 3, monkeypatch)
        job = await desk.submit("x")
        assert (await desk.end(job)).status == "succeeded"
        assert len(refused) == 3
        assert (await desk.jobs.answer(job, "")).body == b"done"

    run(tmp_path, body)


class Held:
    """A store's `finish` that tells nobody until it is let go."""

    def __init__(self, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self._finish = store.finish
        self._waiting: list[tuple[Future[None], tuple[Any, ...]]] = []
        monkeypatch.setattr(store, "finish", self._keep)

    def __len__(self) -> int:
        return len(self._waiting)

    def _keep(self, *arguments: Any) -> Future[None]:
        told: Future[None] = Future()
        self._waiting.append((told, arguments))
        return told

    def let_go(self, count: int) -> None:
        for told, arguments in self._waiting[:count]:
            self._finish(*arguments).result()
            told.set_result(None)
        del self._waiting[:count]


def test_the_next_job_runs_while_the_end_of_one_is_on_its_way_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.ending._MOST", 3)
    ran = []

    async def kind(_service: Service, work: Work) -> Ended:
        ran.append(work.id)
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind, writes=True)}, workers=1)
        held = Held(desk.store, monkeypatch)
        jobs = [await desk.submit("x") for _ in range(6)]
        await desk.until(jobs[3], "running")
        await until(lambda: len(held) == 4)
        # Three may be under way, and this is the fourth, which keeps the worker.
        assert (ran, desk.runner.running, desk.runner.queued) == (jobs[:4], 1, 2)
        assert [desk.store.job(job).status for job in jobs] == ["running"] * 4 + ["queued"] * 2
        held.let_go(1)
        await desk.until(jobs[4], "running")
        held.let_go(4)
        await desk.until(jobs[5], "running")
        await until(lambda: len(held) == 1)
        held.let_go(1)
        assert [(await desk.end(job)).status for job in jobs] == ["succeeded"] * 6
        assert desk.runner.load.count == 0

    run(tmp_path, body)


def test_a_process_that_leaves_waits_for_ends_under_way_and_queues_again_what_does_not_land(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.runner._AGAIN", 0.01)

    async def kind(_service: Service, _work: Work) -> Ended:
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)}, leave_seconds=0.2)
        with monkeypatch.context() as there:
            refuse_ends(desk, StorageFull("full"), sys.maxsize, there)
            job = await desk.submit("x")
            await desk.until(job, "running")
            await desk.jobs.stop()
        left = desk.store.job(job)
        assert (left.status, left.attempts) == ("queued", 0)
        later = Desk(running, {"x": Kind(kind)})
        await later.jobs.start()
        assert (await later.end(job)).status == "succeeded"
        await later.jobs.stop()

    run(tmp_path, body)


@pytest.mark.parametrize("remembered", [0, 2**20])
def test_a_request_is_the_same_from_memory_and_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remembered: int
) -> None:
    monkeypatch.setattr("service.jobs.runner._REMEMBERED", remembered)
    reads = []

    async def kind(_service: Service, work: Work) -> Ended:
        return Ended(work.body)

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)})
        read = desk.store.body
        monkeypatch.setattr(desk.store, "body", lambda job: reads.append(job) or read(job))
        job = await desk.submit("x")
        await desk.end(job)
        assert (await desk.jobs.answer(job, "")).body == b"{}"
        assert reads == ([] if remembered else [job])

    run(tmp_path, body)


def test_a_fault_is_an_internal_problem_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def kind(_service: Service, _work: Work) -> Ended:
        raise RuntimeError("secret")

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)})
        job = await desk.submit("x")
        outcome = (await desk.end(job)).outcome
        assert outcome is not None
        assert outcome["problem"]["type"] == "/problems/internal"
        assert "secret" not in str(outcome)
        assert "secret" in caplog.text
        assert (await desk.jobs.answer(job, "")).status == 500
        assert desk.runner.running == 0

    run(tmp_path, body)


def test_jobs_have_no_longer_than_requests_have_when_the_process_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("service.jobs.runner.monotonic", lambda: now[0])

    async def kind(_service: Service, _work: Work) -> Ended:
        await asyncio.sleep(3600)
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)}, leave_seconds=60.0)
        job = await desk.submit("x")
        await desk.until(job, "running")
        desk.jobs.leave()
        now[0] += 61  # which requests have taken to finish
        async with asyncio.timeout(30):
            await desk.jobs.stop()
        left = desk.store.job(job)
        assert (left.status, left.attempts) == ("queued", 0)

    run(tmp_path, body)


def test_a_kind_of_another_release_fails(tmp_path: Path) -> None:
    async def kind(_service: Service, _work: Work) -> Ended:
        await asyncio.sleep(60)
        return DONE

    async def body(running: bootstrap.Running) -> None:
        newer = Desk(running, {"newer": Kind(kind)}, leave_seconds=0.01)
        job = await newer.submit("newer")
        await newer.jobs.stop()
        older = Desk(running, {})
        await older.jobs.start()
        outcome = (await older.end(job)).outcome
        assert outcome is not None
        assert outcome["problem"]["type"] == "/problems/gone"
        await older.jobs.stop()

    run(tmp_path, body)


def test_a_client_that_hangs_up_while_its_job_is_kept(tmp_path: Path) -> None:
    async def kind(_service: Service, _work: Work) -> Ended:
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)})
        for _ in range(20):
            asking = asyncio.create_task(desk.submit("x"))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        page, _ = await desk.jobs.page(99, None, owner="", network=None, status=None)
        for job in page:
            assert (await desk.end(job.id)).status == "succeeded"
        assert desk.runner.load.count == 0

    run(tmp_path, body)


def test_the_request_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def kind(_service: Service, _work: Work) -> Ended:
        await go.wait()
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)}, workers=1, queue=2)
        jobs = [await desk.submit("x", "net_a"), await desk.submit("x", "net_b")]
        with pytest.raises(Overloaded):
            await desk.submit("x", "net_c")
        go.set()
        assert [(await desk.end(job)).status for job in jobs] == ["succeeded"] * 2
        page, _ = await desk.jobs.page(99, None, owner="", network=None, status=None)
        assert [job.id for job in page] == jobs[::-1]
        assert desk.runner.queued == 0

    run(tmp_path, body)


def test_a_token_says_that_the_process_leaves(tmp_path: Path) -> None:
    async def kind(_service: Service, work: Work) -> Ended:
        while not work.token.leaving:  # noqa: ASYNC110  the token belongs to threads too
            await asyncio.sleep(0.002)
        return replace(DONE, body=b"in time")

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)})
        job = await desk.submit("x")
        await desk.until(job, "running")
        await desk.jobs.stop()
        assert desk.store.job(job).status == "succeeded"
        assert desk.store.result(job) == b"in time"

    run(tmp_path, body)
