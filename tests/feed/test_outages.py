"""Integration: PostgreSQL is stopped while a delivery is handled, which then fails as well."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support.calls import voice_call
from support.postgres import KEEPER_OF_DATA, Cluster, stoppable_cluster
from support.webhook_app import SECRET, App, app

from eventstore import AsyncEventStore, EventStore
from eventstore.feed.delivery import Delivery

__all__ = ["app"]

FRAMES = voice_call().frames
#: For how long the server is away. A feed tries to reach it twice a second.
AWAY = 1.2
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server that can be stopped, and that loses nothing of what was committed."""
    with stoppable_cluster({"synchronous_commit": "on"}) as cluster:
        if cluster is None:
            pytest.skip("there are no binaries of PostgreSQL")
        yield cluster


@pytest.fixture
def url(server: Cluster) -> str:
    """The URL of a new store on it."""
    name = f"store_{next(NUMBERS)}"
    server.run(f"CREATE DATABASE {name}")
    with EventStore(server.url(name), check_schema=False) as store:
        store.init()
    return server.url(name)


def stop(server: Cluster) -> None:
    """Stop the server, and start it again after a while."""
    server.stop()
    threading.Timer(AWAY, server.start, (KEEPER_OF_DATA,)).start()


def fails_once(server: Cluster) -> tuple[list[int], Callable[[Delivery], None]]:
    """Return the seqs that a handler gets, and the handler: at its third it stops the server."""
    found: list[int] = []

    def handle(delivery: Delivery) -> None:
        found.append(delivery.seq)
        if len(found) == 3:
            stop(server)
            raise ValueError("the handler fails, too")

    return found, handle


def test_a_handler_that_fails_gets_the_same_again_once_it_is_back(
    server: Cluster, url: str
) -> None:
    found, handle = fails_once(server)
    with EventStore(url) as store:
        store.append("a", FRAMES[:8])
        with store.subscribe("thread", from_="start") as feed:

            def handle_all(delivery: Delivery) -> None:
                handle(delivery)
                if delivery.seq == 8:
                    feed.stop()

            feed.run(handle_all)
        assert found[-6:] == [3, 4, 5, 6, 7, 8] and found[:3] == [1, 2, 3]
        (status,) = store.subscriptions()
        assert (status["behind"], status["failed"]) == (0, 0)


def test_a_handler_of_asyncio_gets_the_same_again_once_it_is_back(
    server: Cluster, url: str
) -> None:
    found, handle = fails_once(server)

    async def follow() -> None:
        async with asyncio.timeout(60), AsyncEventStore(url) as store:
            await store.append("a", FRAMES[:8])
            async with store.subscribe("loop", from_="start") as feed:

                async def handle_all(delivery: Delivery) -> None:
                    await asyncio.to_thread(handle, delivery)
                    if delivery.seq == 8:
                        feed.stop()

                await feed.run(handle_all)

    asyncio.run(follow())
    assert found[-6:] == [3, 4, 5, 6, 7, 8] and found[:3] == [1, 2, 3]


@pytest.mark.parametrize("most_tries", [1, 14])
def test_webhooks_that_are_not_taken_meanwhile_are_sent_again(
    server: Cluster, url: str, app: App, most_tries: int
) -> None:
    app.statuses = [500]
    with EventStore(url) as store:
        webhooks = store.webhooks(
            app.url,
            SECRET,
            on="response.done, session.ended",
            allow_private=True,
        )
        webhooks._most_tries = most_tries
        app.before = lambda body: stop(server) if len(app.got) == 1 else None
        thread = threading.Thread(target=webhooks.run)
        thread.start()
        store.append("a", FRAMES, close=True)
        until = time.monotonic() + 30
        while webhooks.sent < 3 and thread.is_alive() and time.monotonic() < until:
            time.sleep(0.02)
        webhooks.stop()
        thread.join(30)
        assert [id_ for _, id_ in app.told()] == ["resp_1", "resp_1", "resp_2", "a"]
        assert (webhooks.failed, webhooks.given_up, store.dead_letters()) == (1, 0, [])
