"""Unit: an iterator is read in threads: whole, in bounded pieces, and closed whatever happens."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from threading import Event
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.left_behind import nothing_left

from eventstore.aio.async_items import MOST_BYTES, MOST_ITEMS, AsyncItems
from eventstore.aio.threads import Threads
from eventstore.common.pauses import Pause
from eventstore.errors import ClosedError

T = TypeVar("T")
#: Seconds that nothing here takes, unless it never comes.
LONG = 30.0


class Source:
    """An iterator to read: what it yields, and what became of it.

    Attributes:
        taken: How many items were taken from it.
        closed: Set when it is closed, or has ended.
        waits: Set when it waits for an `Event` of its steps.
    """

    def __init__(self, *steps: Any) -> None:
        self.taken, self.closed, self.waits = 0, Event(), Event()
        self._steps = steps

    def __call__(self) -> Iterator[Any]:
        try:
            for step in self._steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, Event):
                    self.waits.set()
                    assert step.wait(LONG)
                    continue
                self.taken += 1
                yield step
        finally:
            self.closed.set()


def run(work: Callable[[Threads], Awaitable[T]], count: int = 2) -> T:
    """Run a test in an event loop with threads, of which none is left."""

    async def main() -> T:
        threads = Threads(count)
        try:
            async with asyncio.timeout(LONG):
                return await work(threads)
        finally:
            await threads.close(lambda: None)

    with nothing_left():
        return asyncio.run(main())


async def idle(threads: Threads) -> None:
    """Wait until a single thread has done what it was asked for before."""
    await threads.run(lambda: None)


@given(
    st.lists(st.one_of(st.integers(), st.just(Pause(0.0))), max_size=40),
    st.booleans(),
    st.integers(0, 45),
    st.sampled_from(["break", "aclose", "raise", "cancel"]),
)
def test_what_is_read_is_what_is_there_up_to_where_one_stops(
    steps: list[Any], fails: bool, stop: int, way: str
) -> None:
    error = ValueError("at the end")
    source = Source(*steps, *([error] if fails else []))
    there = [step for step in steps if not isinstance(step, Pause)]

    async def consume(items: AsyncItems[Any], found: list[Any]) -> None:
        if stop == 0:
            return
        async for item in items:
            found.append(item)
            if len(found) == stop:
                if way == "raise":
                    raise KeyError
                if way == "cancel":
                    asyncio.current_task().cancel()  # type: ignore[union-attr]
                    await asyncio.sleep(LONG)
                break

    async def read(threads: Threads) -> None:
        items: AsyncItems[Any] = AsyncItems(threads, source)
        found: list[Any] = []
        ends: BaseException | None = None
        try:
            await asyncio.gather(consume(items, found))
        except (ValueError, KeyError, asyncio.CancelledError) as raised:
            ends = raised
        assert found == there[:stop]
        is_whole = stop > 0 and len(there) < stop
        assert (ends is error) == (fails and is_whole)
        if way == "aclose":
            await items.aclose()
        del items, ends
        gc.collect(1)
        await asyncio.sleep(0)

    run(read)
    assert source.closed.is_set() or source.taken == 0


def test_no_more_than_so_many_items_are_read_ahead() -> None:
    source = Source(*range(3 * MOST_ITEMS))

    async def read(threads: Threads) -> None:
        items: AsyncItems[int] = AsyncItems(threads, source)
        assert source.taken == 0
        for number in range(MOST_ITEMS):
            assert await anext(items) == number
            await idle(threads)
            assert source.taken == MOST_ITEMS
        assert await anext(items) == MOST_ITEMS
        await idle(threads)
        assert source.taken == 2 * MOST_ITEMS
        await items.aclose()

    run(read, 1)
    assert source.closed.is_set()


@pytest.mark.parametrize("kind", [bytes, str])
def test_no_more_than_so_many_bytes_are_read_ahead(kind: type) -> None:
    class Said:
        text = "x" * (MOST_BYTES // 4)

    large: Any = Said() if kind is str else bytes(MOST_BYTES // 4)
    source = Source(*[large] * 20)

    async def read(threads: Threads) -> None:
        items: AsyncItems[Any] = AsyncItems(threads, source)
        await anext(items)
        await idle(threads)
        assert source.taken == 4
        assert len([item async for item in items]) == 19

    run(read, 1)


def test_an_item_does_not_wait_for_the_next_one() -> None:
    later = Event()
    source = Source("now", later, "later")

    async def read(threads: Threads) -> None:
        items: AsyncItems[str] = AsyncItems(threads, source)
        assert await anext(items) == "now"
        assert not later.is_set()  # the thread waits for it at this moment
        later.set()
        assert [item async for item in items] == ["later"]

    run(read)


def test_an_item_that_comes_as_one_begins_to_wait_wakes_who_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread adds an item, and cannot see yet that somebody waits: at that very moment."""
    later = Event()

    async def read(threads: Threads) -> None:
        items: AsyncItems[str] = AsyncItems(threads, Source(later, "later"))
        loop = asyncio.get_running_loop()
        create_future = loop.create_future

        def adding() -> asyncio.Future[Any]:
            monkeypatch.undo()
            items._reading.ready.append("now")
            return create_future()

        monkeypatch.setattr(loop, "create_future", adding)
        assert await anext(items) == "now"
        later.set()
        assert [item async for item in items] == ["later"]

    run(read)


def test_a_cancelled_wait_loses_no_item() -> None:
    later = Event()

    async def read(threads: Threads) -> None:
        items: AsyncItems[str] = AsyncItems(threads, Source(later, "a", "b"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(items), 0.01)
        later.set()
        assert [item async for item in items] == ["a", "b"]

    run(read)


def test_a_pause_holds_no_thread_and_can_be_ended() -> None:
    source = Source("a", Pause(3600.0), "b")

    async def read(threads: Threads) -> None:
        items: AsyncItems[str] = AsyncItems(threads, source)
        assert await anext(items) == "a"
        waiting = asyncio.create_task(anext(items))  # type: ignore[arg-type]
        assert await threads.run(lambda: "free") == "free"
        await asyncio.sleep(0)
        assert not waiting.done()
        await items.aclose()
        with pytest.raises(StopAsyncIteration):
            await waiting

    run(read, 1)
    assert source.taken == 2 and source.closed.is_set()


def test_after_a_pause_the_iterator_goes_on() -> None:
    async def read(threads: Threads) -> None:
        items: AsyncItems[str] = AsyncItems(threads, Source(Pause(0.001), "a", Pause(0.001), "b"))
        assert [item async for item in items] == ["a", "b"]

    run(read)


def test_an_error_comes_behind_the_items_before_it_and_once() -> None:
    async def read(threads: Threads) -> None:
        items: AsyncItems[str] = AsyncItems(threads, Source("a", ValueError("b")))
        assert await anext(items) == "a"
        with pytest.raises(ValueError, match="b"):
            await anext(items)
        assert [item async for item in items] == []

    run(read)


def test_a_verb_that_refuses_its_arguments_raises_with_the_first_item() -> None:
    def begin() -> Iterator[str]:
        raise KeyError("wrong")

    async def read(threads: Threads) -> None:
        items: AsyncItems[str] = AsyncItems(threads, begin)
        with pytest.raises(KeyError):
            await anext(items)

    run(read)


def test_what_fails_as_it_is_closed_is_told_by_aclose() -> None:
    def failing() -> Iterator[str]:
        try:
            yield "a"
            yield from ["b"] * 1000
        finally:
            raise OSError("the disk")

    async def read(threads: Threads) -> None:
        items = AsyncItems(threads, failing)
        with pytest.raises(OSError, match="the disk"):
            async with items:
                await anext(items)

    run(read)


def test_only_one_task_may_wait() -> None:
    later = Event()

    async def read(threads: Threads) -> None:
        items: AsyncItems[str] = AsyncItems(threads, Source(later, "a"))
        first = asyncio.create_task(anext(items))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await anext(items)
        later.set()
        assert await first == "a"

    run(read)


def test_an_iterator_that_is_dropped_while_a_thread_reads_it_is_closed() -> None:
    later = Event()
    source = Source(later, *range(10 * MOST_ITEMS))

    async def read(threads: Threads) -> None:
        items: AsyncItems[int] = AsyncItems(threads, source)
        waiting = asyncio.create_task(anext(items))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        del items, waiting
        gc.collect()
        await asyncio.sleep(0)
        later.set()
        await idle(threads)
        await idle(threads)

    run(read, 1)
    assert source.closed.is_set() and source.taken <= 1


def test_an_iterator_may_outlive_its_event_loop() -> None:
    source = Source(*range(10 * MOST_ITEMS))
    threads = Threads(1)
    items: AsyncItems[int] = AsyncItems(threads, source)

    async def one() -> int:
        return await anext(items)

    with nothing_left():
        assert [asyncio.run(one()), asyncio.run(one())] == [0, 1]
        asyncio.run(threads.close(lambda: None))
    assert source.closed.is_set()


def test_closing_ends_iterators_that_are_read_that_wait_and_that_were_never_read() -> None:
    later = Event()
    reading, waiting = Source(later, "a"), Source("a", Pause(3600.0))
    untouched = Source("a")

    async def close() -> None:
        threads = Threads(3)
        items: list[AsyncItems[str]] = [
            AsyncItems(threads, one) for one in (reading, waiting, untouched)
        ]
        assert await anext(items[1]) == "a"
        tasks = [asyncio.create_task(anext(one)) for one in items[:2]]  # type: ignore[arg-type]
        assert await asyncio.to_thread(reading.waits.wait, LONG)
        closing = asyncio.create_task(threads.close(later.set))
        for task in tasks:
            with pytest.raises(ClosedError):
                await task
        await closing
        with pytest.raises(ClosedError):
            await anext(items[2])
        for one in items:
            await one.aclose()

    with nothing_left():
        asyncio.run(asyncio.wait_for(close(), LONG))
    assert reading.closed.is_set() and waiting.closed.is_set() and untouched.taken == 0
