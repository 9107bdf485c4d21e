"""Integration: webhooks are sent from an event loop, which goes on meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from support.calls import voice_call
from support.webhook_app import SECRET, App, app

from eventstore import AsyncEventStore

__all__ = ["app"]

FRAMES = voice_call().frames


def test_they_are_sent_and_sent_again(
    database_url: str,
    app: App,
) -> None:
    async def use() -> None:
        async with AsyncEventStore(database_url) as store:
            await store.append("a", FRAMES, close=True)
            webhooks = store.webhooks(app.url, SECRET, from_="start", allow_private=True, once=True)
            done = await webhooks.run(threads=2)
            assert (done.sent, done.failed) == (1, 0)
            assert await store.dead_letters() == []
            assert [one async for one in webhooks.send_again()] == []

    asyncio.run(use())
    assert app.told() == [("session.ended", "a")]


def test_a_cancelled_run_ends(
    database_url: str,
    app: App,
) -> None:
    async def use() -> None:
        async with AsyncEventStore(database_url) as store:
            running = asyncio.create_task(
                store.webhooks(app.url, SECRET, allow_private=True).run(1)
            )
            await store.append("a", FRAMES, close=True)
            await asyncio.sleep(0.05)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(use())
