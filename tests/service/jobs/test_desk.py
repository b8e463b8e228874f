"""What one client is told of a job at the very moment at which something else becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from service import bootstrap
from service.engine.base import Guard
from service.errors import Overloaded, StorageUnavailable
from service.jobs import Ended, Kind, Work
from service.operations import Service
from service.storage.jobs.base import JobRecord
from tests.contracts.engine_base import until
from tests.service.jobs.test_runner import DONE, Desk, _step, refuse_ends, run


async def _done(_service: Service, _work: Work) -> Ended:
    return DONE


async def _never(_service: Service, _work: Work) -> Ended:
    await asyncio.sleep(3600)
    return DONE


class Slow:
    """A call of the store whose future is done when it is let go; what it does is on disk long before."""

    def __init__(self, desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[tuple[Future[None], Future[None]]] = []
        call: Callable[..., Future[None]] = getattr(desk.store, name)

        def slow(*arguments: Any) -> Future[None]:
            self.told.append((call(*arguments), Future()))
            return self.told[-1][1]

        monkeypatch.setattr(desk.store, name, slow)

    def let_go(self) -> None:
        while self.told:
            done, told = self.told.pop()
            told.set_result(done.result())

    def __enter__(self) -> Slow:
        return self

    def __exit__(self, *_error: object) -> None:
        self.let_go()


async def _listed(desk: Desk) -> JobRecord:
    """The only job, found in a list; it is on disk, and nothing has been told of it yet."""
    async with asyncio.timeout(20):
        while not (page := (await desk.jobs.page(9, None, owner="", network=None, status=None))[0]):  # noqa: ASYNC110  a store tells nobody
            await asyncio.sleep(0.002)
    return page[0]


def test_a_job_that_is_in_a_list_already_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(_done)})
        with Slow(desk, "create", monkeypatch):
            submitting = asyncio.create_task(desk.submit("x"))
            job = await _listed(desk)
            cancelling = asyncio.create_task(desk.jobs.cancel(job.id, ""))
            done, _ = await asyncio.wait([cancelling], timeout=0.05)
            assert not done
        assert await submitting == job.id
        assert (await cancelling).status == "cancelled"
        assert desk.store.job(job.id).status == "cancelled"
        assert desk.runner.load.count == 0

    run(tmp_path, body)


def test_a_job_that_is_in_a_list_already_is_followed_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(_done)})

        async def followed() -> list[str]:
            return [event.data["status"] async for event in desk.jobs.follow(job.id, "", 0) if event is not None]

        with Slow(desk, "create", monkeypatch):
            submitting = asyncio.create_task(desk.submit("x"))
            job = await _listed(desk)
            following, waiting = asyncio.create_task(followed()), asyncio.create_task(desk.jobs.find(job.id, "", 20))
            done, _ = await asyncio.wait([following, waiting], timeout=0.05)
            assert not done
        await submitting
        assert await following == ["queued", "running", "succeeded"]
        assert (await waiting).status == "succeeded"

    run(tmp_path, body)


def test_the_last_report_is_told_before_an_end_that_is_on_disk_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def kind(_service: Service, work: Work) -> Ended:
        work.progress({"epoch": 1})
        await asyncio.sleep(0)
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)})
        finish = desk.store.finish

        def at_once(*arguments: Any) -> Future[None]:
            future = finish(*arguments)
            assert future.exception(20) is None
            return future

        monkeypatch.setattr(desk.store, "finish", at_once)
        job = await desk.submit("x")
        told = [event.number async for event in desk.jobs.follow(job, "", 0) if event is not None]
        assert told == [1, 2, 3, 4]

    run(tmp_path, body)


def test_a_job_whose_network_is_deleted_is_cancelled_all_the_same(tmp_path: Path) -> None:
    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"step": Kind(_never, writes=True)})
        network = await desk.network()
        job = await desk.submit("step", network)
        await desk.until(job, "running")
        await running.service.engine.delete(network, Guard())
        assert (await desk.jobs.cancel(job, "")).status == "cancelled"

    run(tmp_path, body)


def test_a_burst_of_one_network_leaves_room_for_another(tmp_path: Path) -> None:
    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(_never)}, workers=1, queue=8, leave_seconds=0.01)
        await desk.until(await desk.submit("x", "net_a"), "running")
        asked = (desk.submit("x", "net_a") for _ in range(10))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(answer, Overloaded) for answer in answers] == [False] * 4 + [True] * 6
        assert await desk.submit("x", "net_b")
        await desk.jobs.stop()

    run(tmp_path, body)


def test_an_end_that_the_store_cannot_keep_now_is_kept_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobs.runner._AGAIN", 0.01)

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(_done)})
        refused = refuse_ends(desk, StorageUnavailable("too many open files"), 1, monkeypatch)
        job = await desk.submit("x")
        assert (await desk.end(job)).status == "succeeded"
        assert len(refused) == 1

    run(tmp_path, body)


def test_a_job_that_cannot_be_ended_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"step": Kind(_step, writes=True)})
        network = await desk.network()
        finish = desk.store.finish

        def faulty(*_arguments: Any) -> Future[None]:
            monkeypatch.setattr(desk.store, "finish", finish)
            raise RuntimeError("a fault")

        monkeypatch.setattr(desk.store, "finish", faulty)
        job = await desk.submit("step", network)
        async with asyncio.timeout(20):
            told = [event.data["status"] async for event in desk.jobs.follow(job, "", 0) if event is not None]
        assert told == ["queued", "running"]
        assert (await desk.end(await desk.submit("step", network))).status == "succeeded"
        assert (await desk.jobs.cancel(job, "")).status == "running"
        assert (desk.runner.load.count, desk.runner.running, desk.runner.queued) == (0, 0, 0)

    run(tmp_path, body)


def test_a_job_that_ends_when_the_time_to_leave_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, ended = asyncio.Event(), asyncio.Event()

    async def kind(_service: Service, _work: Work) -> Ended:
        await go.wait()
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)}, leave_seconds=0.05)
        job = await desk.submit("x")
        await desk.until(job, "running")
        forget = desk.runner.forget

        def just_now(job: Any) -> None:
            forget(job)
            ended.set()

        async def until_then(*_arguments: Any, **_options: Any) -> None:
            await ended.wait()
            time.sleep(0.06)  # noqa: ASYNC251  nothing else happens until the time is over

        monkeypatch.setattr(desk.runner, "forget", just_now)
        with monkeypatch.context() as patched:
            stopping = asyncio.create_task(desk.jobs.stop())
            patched.setattr("service.jobs.runner.asyncio.wait", until_then)
            await asyncio.sleep(0)
            go.set()
            await stopping
        assert desk.store.job(job).status == "succeeded"

    run(tmp_path, body)


def test_what_a_run_reports_that_was_put_back_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works: list[Work] = []

    async def kind(_service: Service, work: Work) -> Ended:
        works.append(work)
        await asyncio.sleep(3600)
        return DONE

    async def body(running: bootstrap.Running) -> None:
        desk = Desk(running, {"x": Kind(kind)}, leave_seconds=0.01)
        job = await desk.submit("x")
        await until(lambda: bool(works))
        with Slow(desk, "update", monkeypatch) as slow:
            stopping = asyncio.create_task(desk.jobs.stop())
            await until(lambda: bool(slow.told))
            works[0].progress({"epoch": 1})  # as a thread does that has not heard that it is to stop
            await asyncio.sleep(0.01)
        await stopping
        left = desk.store.job(job)
        assert (left.status, left.attempts) == ("queued", 0)

    run(tmp_path, body)
