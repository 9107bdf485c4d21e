"""Integration: a store for asyncio is opened, used, cancelled and closed without a thread left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from support.calls import voice_call
from support.forking import fork
from support.left_behind import nothing_left, threads, transactions

from eventstore import (
    AsyncEventStore,
    ClosedError,
    ConflictError,
    EventStore,
    Frame,
    InvalidInputError,
    NotFoundError,
    Recorder,
    SchemaError,
)

SESSION = "sess_1"
FRAMES = voice_call().frames
#: Seconds that nothing here takes, unless it never comes.
LONG = 30.0


class Door:
    """A callback that holds whoever calls it, in a thread, until it is opened.

    Attributes:
        reached: Set when somebody is there.
        most: How many were there at once.
    """

    def __init__(self) -> None:
        self.reached, self._open, self._lock = Event(), Event(), threading.Lock()
        self._inside = self.most = 0

    def __call__(self, *_: Any) -> None:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        self.reached.set()
        assert self._open.wait(LONG)
        with self._lock:
            self._inside -= 1

    def open(self) -> None:
        self._open.set()

    def frames(self) -> Iterator[Frame]:
        """Frames to append, in the middle of which the door is."""
        yield FRAMES[0]
        self()
        yield from FRAMES[1:]


async def reached(door: Door) -> None:
    """Wait, without a thread of the store, until somebody is at a door."""
    assert await asyncio.to_thread(door.reached.wait, LONG)


@pytest.fixture
def filled(store: EventStore, database_url: str) -> str:
    """The URL of a store with a call."""
    store.append(SESSION, FRAMES, close=True)
    return database_url


# Opening and closing


def test_a_store_is_made_without_a_loop_and_opened_by_its_first_verb(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    store = AsyncEventStore(f"sqlite:///{path}")
    assert not path.exists() and threads() == []

    async def main() -> None:
        assert await store.models() == []
        assert path.exists()
        await store.close()

    with nothing_left():
        asyncio.run(main())


def test_what_cannot_be_opened_raises_where_it_is_opened_and_may_be_tried_again(
    empty_postgres_url: str,
) -> None:
    async def main() -> None:
        with pytest.raises(SchemaError):
            async with AsyncEventStore(empty_postgres_url):
                pass
        store = AsyncEventStore(empty_postgres_url)
        with pytest.raises(SchemaError):
            await store.models()
        with EventStore(empty_postgres_url, check_schema=False) as made:
            made.init()
        assert await store.models() == []
        await store.close()

    with nothing_left():
        asyncio.run(main())


def test_opening_that_is_cancelled_returns_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door()
    monkeypatch.setattr("eventstore.event_store.schema.ensure", door)

    async def main() -> None:
        store = AsyncEventStore(f"sqlite:///{tmp_path}/calls.db")
        opening = asyncio.create_task(store.__aenter__())
        await reached(door)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening  # the door is still shut
        door.open()
        await store.close()
        with pytest.raises(ClosedError):
            await store.models()

    with nothing_left():
        asyncio.run(main())


@pytest.mark.parametrize("wrong", [0, 65, -1, 1.5, "4", True, None])
def test_a_wrong_number_of_threads_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="threads"):
        AsyncEventStore("sqlite://", threads=wrong)


def test_a_closed_store_raises_as_a_store_does(filled: str) -> None:
    async def main() -> None:
        async with AsyncEventStore(filled) as store:
            page = await store.sessions()
        await store.close()
        never_opened = AsyncEventStore(filled)
        await never_opened.close()
        for closed in (store, never_opened):
            with pytest.raises(ClosedError, match="open it again"):
                await closed.models()
            with pytest.raises(ClosedError):
                await anext(closed.events(SESSION))
            with pytest.raises(ClosedError):
                await closed.scoped("a", "b").models()
            with pytest.raises(ClosedError):
                await closed.__aenter__()
        with pytest.raises(ClosedError):
            never_opened.sync.models()
        with pytest.raises(ClosedError):
            [entry async for entry in page.iter_all()]

    with nothing_left():
        asyncio.run(main())


def test_closing_waits_for_a_transaction_that_has_begun_and_not_in_the_loop(filled: str) -> None:
    door = Door()

    async def main() -> None:
        store = AsyncEventStore(filled, threads=1)
        appending = asyncio.create_task(store.append("new", door.frames()))
        await reached(door)
        waiting = asyncio.create_task(store.models())
        await asyncio.sleep(0)
        closing = [asyncio.create_task(store.close()) for _ in range(3)]
        await asyncio.sleep(0)
        closing[2].cancel()
        door.open()
        await asyncio.gather(*closing[:2])
        assert (await appending).last_seq == len(FRAMES)
        with pytest.raises(ClosedError):
            await waiting

    with nothing_left():
        asyncio.run(main())
    with EventStore(filled) as store:
        assert store.last_seq("new") == len(FRAMES)


def test_one_store_serves_one_loop_after_the_other(filled: str) -> None:
    store = AsyncEventStore(filled)
    events = store.events(SESSION)

    async def main() -> tuple[int, int]:
        return (await anext(events)).seq, await store.last_seq(SESSION)

    with nothing_left():
        assert [asyncio.run(main()) for _ in range(3)] == [(n, len(FRAMES)) for n in (1, 2, 3)]
        asyncio.run(store.close())


def test_two_loops_in_two_threads_share_a_store(filled: str) -> None:
    store = AsyncEventStore(filled, threads=2)
    found: list[int] = []

    async def main() -> None:
        found.extend(await asyncio.gather(*(store.last_seq(SESSION) for _ in range(20))))

    with nothing_left():
        loops = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(2)]
        for loop in loops:
            loop.start()
        for loop in loops:
            loop.join(LONG)
        asyncio.run(store.close())
    assert found == [len(FRAMES)] * 40


def test_a_forked_child_has_threads_of_its_own(filled: str) -> None:
    store = AsyncEventStore(filled)

    async def main() -> int:
        return await asyncio.wait_for(store.last_seq(SESSION), LONG)

    def child() -> int:
        seq = asyncio.run(main())
        asyncio.run(store.close())
        return seq

    with nothing_left():
        assert asyncio.run(main()) == len(FRAMES)
        assert fork(child).said() == str(len(FRAMES))
        assert asyncio.run(main()) == len(FRAMES)
        asyncio.run(store.close())


# Threads and cancellation


def test_no_more_verbs_run_at_once_than_there_are_threads(filled: str) -> None:
    door = Door()

    async def main() -> None:
        async with AsyncEventStore(filled, threads=2) as store:
            drawing = [asyncio.create_task(store.waveform(SESSION, door)) for _ in range(6)]
            await reached(door)
            assert len(threads()) <= 2
            door.open()
            await asyncio.gather(*drawing)

    with nothing_left():
        asyncio.run(main())
    assert door.most <= 2


def test_a_verb_that_has_not_begun_is_not_begun_when_it_is_cancelled(filled: str) -> None:
    door = Door()

    async def main() -> None:
        async with AsyncEventStore(filled, threads=1) as store:
            drawing = asyncio.create_task(store.waveform(SESSION, door))
            await reached(door)
            appending = asyncio.create_task(store.append("new", FRAMES))
            await asyncio.sleep(0)
            appending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await appending
            door.open()
            await drawing
            with pytest.raises(NotFoundError):
                await store.last_seq("new")

    with nothing_left():
        asyncio.run(main())


def test_an_append_that_has_begun_is_whole_though_its_caller_is_cancelled(filled: str) -> None:
    door = Door()

    async def main() -> None:
        async with AsyncEventStore(filled, threads=1) as store:
            appending = asyncio.create_task(store.append("new", door.frames()))
            await reached(door)
            appending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await appending  # at once: the door is still shut
            door.open()
            assert await store.last_seq("new") == len(FRAMES)

    with nothing_left():
        asyncio.run(main())


def test_an_append_that_fails_though_its_caller_is_cancelled_leaves_nothing(filled: str) -> None:
    door = Door()

    def frames() -> Iterator[Any]:
        yield from door.frames()
        yield "no frame"

    async def main() -> None:
        async with AsyncEventStore(filled, threads=1) as store:
            appending = asyncio.create_task(store.append("new", frames()))
            await reached(door)
            appending.cancel()
            door.open()
            with pytest.raises(NotFoundError):
                await store.last_seq("new")
            assert transactions() == 0

    with nothing_left():
        asyncio.run(main())


def test_a_timeout_ends_a_wait(filled: str) -> None:
    door = Door()

    async def main() -> None:
        async with AsyncEventStore(filled) as store:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await store.waveform(SESSION, door)
            door.open()

    with nothing_left():
        asyncio.run(main())


def test_errors_are_those_of_a_store(filled: str) -> None:
    async def main() -> None:
        async with AsyncEventStore(filled) as store:
            with pytest.raises(ConflictError) as conflict:
                await store.append(SESSION, FRAMES, expected_seq=3)
            assert (conflict.value.expected, conflict.value.actual) == (3, len(FRAMES))
            with pytest.raises(NotFoundError):
                await asyncio.gather(store.session(SESSION), store.session("nowhere"))

    with nothing_left():
        asyncio.run(main())


WHO: ContextVar[str] = ContextVar("who")


def test_a_verb_sees_the_context_of_its_caller(filled: str) -> None:
    seen = []

    async def one(store: AsyncEventStore, name: str) -> None:
        WHO.set(name)
        await store.waveform(SESSION, lambda: seen.append(WHO.get()))

    async def main() -> None:
        async with AsyncEventStore(filled) as store:
            await asyncio.gather(one(store, "a"), one(store, "b"))

    asyncio.run(main())
    assert set(seen) == {"a", "b"}


# Reading


@pytest.mark.parametrize("way", ["break", "raise", "cancel", "drop"])
def test_reading_that_is_stopped_leaves_no_thread_and_no_transaction(filled: str, way: str) -> None:
    async def read(store: AsyncEventStore, begun: asyncio.Event) -> None:
        async for event in store.events(SESSION):
            assert event.seq == 1
            begun.set()
            if way == "raise":
                raise KeyError(event.seq)
            if way == "cancel":
                await asyncio.sleep(LONG)
            return

    async def main() -> None:
        async with AsyncEventStore(filled, threads=1) as store:
            if way == "drop":
                assert (await anext(store.events(SESSION))).seq == 1
            else:
                begun = asyncio.Event()
                reading = asyncio.create_task(read(store, begun))
                await begun.wait()
                if way == "cancel":
                    reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            assert await store.last_seq(SESSION) == len(FRAMES)
            assert transactions() == 0

    with nothing_left():
        asyncio.run(main())


def test_many_follow_a_session_with_one_thread(filled: str) -> None:
    async def follow(store: AsyncEventStore, told: asyncio.Event) -> list[str]:
        kinds = []
        async for cue in store.follow("live"):
            kinds.append(cue.kind)
            told.set()
        return kinds

    async def main() -> None:
        async with AsyncEventStore(filled, threads=1) as store:
            await store.append("live", FRAMES[:3])
            told = [asyncio.Event() for _ in range(20)]
            tasks = [asyncio.create_task(follow(store, one)) for one in told]
            await asyncio.gather(*(one.wait() for one in told))
            tasks[0].cancel()  # while it waits for more
            await store.append("live", FRAMES[3:], close=True)
            kinds = [cue.kind async for cue in store.replay("live")]
            assert sorted(kinds) == sorted(await tasks[1])
            assert len({tuple(found) for found in await asyncio.gather(*tasks[1:])}) == 1
            with pytest.raises(asyncio.CancelledError):
                await tasks[0]

    with nothing_left():
        asyncio.run(asyncio.wait_for(main(), LONG))


def test_pages_are_walked(filled: str) -> None:
    async def main() -> None:
        async with AsyncEventStore(filled) as store:
            for number in range(7):
                await store.append(f"more_{number}", FRAMES[:3])
            page = await store.sessions(limit=3)
            assert len(page) == 3 and page[0] in page and page[:2] == page.data[:2]
            assert [one["id"] for one in page] == [one["id"] for one in page.data]
            ids = [session["id"] async for session in page.iter_all()]
            assert ids == [one["id"] for one in store.sync.sessions(limit=3).iter_all()]
            assert len(ids) == 8
            following = await page.next_page()
            assert following is not None and following.first_id == ids[3] and following.has_more
            last = await following.next_page()
            assert last is not None and await last.next_page() is None
            assert repr(page).startswith("AsyncPage(")

    with nothing_left():
        asyncio.run(main())


def test_the_store_beneath_is_for_recorders_and_exports(filled: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            AsyncEventStore(filled) as store,
            Recorder(store.sync, tmp_path / "spool") as recorder,
        ):
            session = recorder.session(session_id="recorded")
            session.record("client", "{}")
            await session.committed()
            assert await store.last_seq("recorded") == 2

    with nothing_left():
        asyncio.run(main())
