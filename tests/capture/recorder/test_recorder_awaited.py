"""Integration: both recorders are used by async programs, and `committed` can be awaited."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from eventstore import EventStore, EventStoreError, Recorder
from eventstore.capture.recorder.commit_future import CommitFuture
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.realtime.frames import CLIENT
from eventstore.times import now

LONG = 30.0
Kind = type[Recorder] | type[RecorderProcess]
each_kind = pytest.mark.parametrize("kind", [Recorder, RecorderProcess])


@each_kind
def test_a_program_waits_for_its_frames(kind: Kind, database_url: str, tmp_path: Path) -> None:
    async def record() -> None:
        async with kind(database_url, tmp_path / "spool") as recorder:
            session = recorder.session(session_id="sess_a")
            session.record(CLIENT, "{}", now())
            await session.committed()
            with EventStore(database_url) as store:
                assert store.last_seq("sess_a") == 2
            assert await asyncio.wait_for(session.committed(), LONG) is None
            assert await asyncio.gather(session.committed(), session.committed()) == [None] * 2
            assert await asyncio.to_thread(session.committed().result, LONG) is None

    asyncio.run(asyncio.wait_for(record(), LONG))
    with EventStore(database_url) as store:
        assert [event.type for event in store.events("sess_a")][-1] == "eventstore.session.closed"


@each_kind
def test_both_recorders_close_at_the_end_of_with(kind: Kind, tmp_path: Path) -> None:
    with kind(f"sqlite:///{tmp_path}/calls.db", tmp_path / "spool") as recorder:
        recorder.session(session_id="sess_a").record(CLIENT, "{}", now())
    with EventStore(f"sqlite:///{tmp_path}/calls.db") as store:
        assert store.last_seq("sess_a") == 3


def test_closing_does_not_keep_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder's `close` waits here for something that the loop does."""
    done = threading.Event()
    close = Recorder.close

    def waiting(recorder: Recorder) -> None:
        assert done.wait(LONG)
        close(recorder)

    monkeypatch.setattr(Recorder, "close", waiting)

    async def record() -> None:
        async with Recorder(f"sqlite:///{tmp_path}/calls.db", tmp_path / "spool"):
            asyncio.get_running_loop().call_later(0.01, done.set)

    asyncio.run(record())
    assert done.is_set()


@each_kind
def test_a_recorder_whose_task_is_cancelled_again_is_closed_once_there_is_a_thread(
    kind: Kind, tmp_path: Path
) -> None:
    """As anyio cancels, and with it FastAPI. All threads are busy at that moment."""
    url = f"sqlite:///{tmp_path}/calls.db"

    async def record(begun: asyncio.Event) -> None:
        async with kind(url, tmp_path / "spool") as recorder:
            session = recorder.session(session_id="sess_a")
            session.record(CLIENT, "{}", now())
            await session.committed()
            begun.set()
            await asyncio.sleep(LONG)

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        begun, free = asyncio.Event(), threading.Event()
        task = asyncio.create_task(record(begun))
        await begun.wait()
        busy = asyncio.create_task(asyncio.to_thread(free.wait, LONG))
        await asyncio.sleep(0)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        free.set()
        await busy

    asyncio.run(main())
    with EventStore(url) as store:
        assert [event.type for event in store.events("sess_a")][-1] == "eventstore.session.closed"


def test_a_session_whose_frames_cannot_be_written_raises_as_it_is_awaited(tmp_path: Path) -> None:
    async def record() -> None:
        recorder = Recorder("postgresql://nobody@127.0.0.1:1/nothing", tmp_path / "spool")
        session = recorder.session()
        session.record(CLIENT, "{}")
        waiting = [asyncio.ensure_future(session.committed()) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.to_thread(recorder.close, 0.1)
        for one in waiting:
            with pytest.raises(EventStoreError, match="closed"):
                await one

    asyncio.run(record())


# The future


def test_it_is_a_future_for_threads_as_before() -> None:
    future = CommitFuture()
    assert isinstance(future, Future)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(future.result, LONG)
        future.set_result(None)
        assert waiting.result(LONG) is None


def test_a_task_that_is_cancelled_cancels_no_other_wait() -> None:
    future = CommitFuture()

    async def wait() -> None:
        await future

    async def main() -> None:
        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert not future.cancelled()
        future.set_result(None)
        await asyncio.gather(*tasks[1:])
        await future

    asyncio.run(asyncio.wait_for(main(), LONG))


def test_a_future_that_is_cancelled_cancels_who_awaits_it() -> None:
    future = CommitFuture()
    assert future.cancel()

    async def wait() -> None:
        await future

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(wait())


def test_it_may_be_done_when_the_loop_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    future = CommitFuture()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(future, 0.01)

    async def left() -> None:
        asyncio.ensure_future(future)  # noqa: RUF006
        await asyncio.sleep(0)

    asyncio.run(main())
    asyncio.run(left())
    future.set_exception(EventStoreError("too late"))
    assert caplog.records == []
