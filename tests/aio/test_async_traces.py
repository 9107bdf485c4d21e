"""Integration: traces are sent from an event loop, which goes on meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from support.calls import voice_call
from support.otel_collector import collecting

from eventstore import AsyncEventStore

FRAMES = voice_call().frames


def test_they_are_sent(database_url: str) -> None:
    async def use(url: str) -> None:
        async with AsyncEventStore(database_url) as store:
            await store.append("a", FRAMES, close=True)
            done = await store.traces(url, from_="start", once=True).run()
            assert (done.sent, done.refused, done.failed) == (4, 0, 0)

    with collecting() as collector:
        asyncio.run(use(collector.url))
    assert len(collector.spans()) == 4


def test_a_cancelled_run_ends(database_url: str) -> None:
    async def use(url: str) -> None:
        async with AsyncEventStore(database_url) as store:
            running = asyncio.create_task(store.traces(url).run())
            await store.append("a", FRAMES, close=True)
            await asyncio.sleep(0.5)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    with collecting(503) as collector:
        asyncio.run(use(collector.url))
    assert not collector.spans()
