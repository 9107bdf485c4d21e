"""Integration: a subscription is followed by an event loop, as a thread follows it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.calls import voice_call
from support.left_behind import nothing_left, transactions

from eventstore import AsyncEventStore, EventStore, InvalidInputError
from eventstore.feed.delivery import Delivery
from eventstore.store.database.transaction import write

FRAMES = voice_call().frames
LONG = 30.0


def run(url: str, work: Callable[[AsyncEventStore], Awaitable[None]]) -> None:
    """Run a test with a store of one thread, of which none is left."""

    async def main() -> None:
        async with asyncio.timeout(LONG), AsyncEventStore(url, threads=1) as store:
            await work(store)

    with nothing_left():
        asyncio.run(main())
    assert transactions() == 0


@pytest.mark.parametrize("of", ["events", "responses", "sessions"])
def test_it_delivers_what_a_thread_gets(store: EventStore, database_url: str, of: Any) -> None:
    for name in ("a", "b"):
        store.append(name, FRAMES, close=name == "a")
    with store.subscribe("thread", of, "start", once=True) as feed:
        wanted = list(feed)

    async def follow(twin: AsyncEventStore) -> None:
        async with twin.subscribe("loop", of, "start", once=True) as feed:
            assert [delivery async for delivery in feed] == wanted
        async with twin.subscribe("loop", of, once=True) as feed:
            assert [delivery async for delivery in feed] == []

    assert wanted
    run(database_url, follow)


def test_it_waits_for_more_without_a_thread_until_it_is_stopped(
    store: EventStore, database_url: str
) -> None:
    async def follow(twin: AsyncEventStore) -> None:
        found: list[int] = []
        three, seven = asyncio.Event(), asyncio.Event()

        async def read() -> None:
            async with twin.subscribe("a", from_="start") as feed:
                async for delivery in feed:
                    found.append(delivery.seq)
                    (three if len(found) == 3 else seven).set()
                    if len(found) == 7:
                        feed.stop()

        reading = asyncio.create_task(read())
        await twin.append("a", FRAMES[:3])  # by the same thread
        await three.wait()
        await twin.append("a", FRAMES[3:7])
        await reading
        assert found == list(range(1, 8))

    run(database_url, follow)


@pytest.mark.parametrize("way", ["break", "cancel"])
def test_a_delivery_that_was_not_finished_comes_again(
    store: EventStore, database_url: str, way: str
) -> None:
    store.append("a", FRAMES[:5])

    async def follow(twin: AsyncEventStore) -> None:
        second = asyncio.Event()

        async def read() -> None:
            async with twin.subscribe("a", from_="start") as feed:
                async for delivery in feed:
                    if delivery.seq == 2:
                        second.set()
                        if way == "break":
                            break
                        await asyncio.sleep(LONG)

        reading = asyncio.create_task(read())
        await second.wait()
        if way == "cancel":
            reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        async with twin.subscribe("a", once=True) as feed:
            assert [delivery.seq async for delivery in feed] == [2, 3, 4, 5]

    run(database_url, follow)


def test_a_handler_that_fails_stops_no_other_session(store: EventStore, database_url: str) -> None:
    for name in ("a", "b"):
        store.append(name, FRAMES[:5])

    async def follow(twin: AsyncEventStore) -> None:
        handled: list[tuple[str, int]] = []

        async def handle(delivery: Delivery) -> None:
            assert await twin.last_seq(delivery.session_id) == 5  # by the same thread
            if delivery.session_id == "a" and delivery.seq == 3:
                raise RuntimeError("what was said")
            handled.append((delivery.session_id, delivery.seq))

        async with twin.subscribe("a", from_="start", once=True) as feed:
            await feed.run(handle)
        assert handled == [("a", 1), ("a", 2), *(("b", seq) for seq in range(1, 6))]
        (status,) = await twin.subscriptions()
        assert (status["failed"], status["behind"]) == (1, 1)
        assert status["failures"][0]["seq"] == 2
        assert status["failures"][0]["error"] == "RuntimeError"

    run(database_url, follow)


def test_what_a_handler_writes_in_the_transaction_is_written_once(
    store: EventStore, database_url: str
) -> None:
    with write(store.engine) as tx:
        tx.run("CREATE TABLE handled (session_id VARCHAR(128), seq BIGINT)")
    store.append("a", FRAMES[:9])
    tries = itertools.count()

    def handle(delivery: Delivery, execute: Any) -> None:
        execute("INSERT INTO handled VALUES (?, ?)", (delivery.session_id, delivery.seq))
        if delivery.seq == 5 and next(tries) == 0:
            raise ValueError

    async def follow(twin: AsyncEventStore) -> None:
        for _ in range(2):
            async with twin.subscribe("a", from_="start", once=True) as feed:
                await feed.run_in_transaction(handle)
            with write(store.engine) as tx:
                tx.run("UPDATE checkpoints SET retry_at = 0")

    try:
        run(database_url, follow)
        with write(store.engine) as tx:
            assert tx.rows("SELECT seq FROM handled ORDER BY seq") == [(n,) for n in range(1, 10)]
    finally:
        with write(store.engine) as tx:
            tx.run("DROP TABLE handled")


def test_wrong_arguments_and_early_ends(store: EventStore, database_url: str) -> None:
    async def follow(twin: AsyncEventStore) -> None:
        wrong: Any = "calls"
        with pytest.raises(InvalidInputError, match="calls"):
            async with twin.subscribe("a", wrong):
                pass
        with pytest.raises(InvalidInputError):
            await anext(twin.subscribe("a", wrong))
        unused = twin.subscribe("a")
        await unused.close()
        stopped = twin.subscribe("a")
        stopped.stop()
        assert [delivery async for delivery in stopped] == []
        await stopped.close()
        await twin.drop_subscription("a")
        assert await twin.subscriptions() == []

    run(database_url, follow)


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_task_that_is_cancelled_again_and_again_lets_its_sessions_go(
    store: EventStore, database_url: str, in_transaction: bool
) -> None:
    """As anyio does, and with it FastAPI, whose streams end when their client goes."""
    for name in ("a", "b"):
        store.append(name, FRAMES[:5])

    async def follow(twin: AsyncEventStore) -> None:
        begun, three = itertools.count(1), asyncio.Event()
        loop = asyncio.get_running_loop()

        def handle(delivery: Delivery, execute: Any) -> None:
            if next(begun) == 3:
                loop.call_soon_threadsafe(three.set)
                time.sleep(0.1)  # it is cancelled meanwhile

        async def read() -> None:
            async with twin.subscribe("x", from_="start") as feed:
                if in_transaction:
                    await feed.run_in_transaction(handle)
                async for _ in feed:
                    if next(begun) == 3:
                        three.set()
                        await asyncio.sleep(LONG)

        task = asyncio.create_task(read())
        await three.wait()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        async with twin.subscribe("x", once=True) as feed:
            rest = [(delivery.session_id, delivery.seq) async for delivery in feed]
        first = 4 if in_transaction else 3
        of_a = [("a", seq) for seq in range(first, 6)]
        assert rest == [*of_a, *(("b", seq) for seq in range(1, 6))]

    run(database_url, follow)
