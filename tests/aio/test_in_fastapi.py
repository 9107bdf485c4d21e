"""Acceptance: an app of FastAPI opens a store in its lifespan, and serves it on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Event
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from support.calls import voice_call
from support.left_behind import nothing_left, transactions
from support.relaying import eventually

from eventstore import AsyncEventStore, ClosedError, EventStore
from eventstore.replay.cassette.loop_thread import LoopThread

SESSION = "sess_1"
FRAMES = voice_call().frames
LONG = 30.0


def app_of(store: AsyncEventStore) -> FastAPI:
    """The app of docs/asyncio.md, and a route that follows a session until its client leaves."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with store:
            yield

    app = FastAPI(lifespan=lifespan)
    app.state.followed = Event()
    app.state.left = Event()

    @app.get("/sessions")
    async def sessions(customer: str) -> list[str]:
        page = await store.sessions(metadata={"customer": customer})
        return [session["id"] async for session in page.iter_all()]

    @app.get("/sessions/{session_id}/frames")
    async def frames(session_id: str) -> StreamingResponse:
        return StreamingResponse(store.export(session_id), media_type="application/jsonl")

    @app.get("/sessions/{session_id}/follow")
    async def follow(session_id: str, request: Request) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            try:
                async for cue in store.follow(session_id):
                    yield f"{cue.kind}\n"
                    app.state.followed.set()
            finally:
                app.state.left.set()

        return StreamingResponse(lines())

    return app


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an app by uvicorn in this event loop."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="on", log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    (port,) = {one.getsockname()[1] for one in server.servers[0].sockets}
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


def with_client(store: AsyncEventStore, use: Callable[[FastAPI, httpx.Client], Any]) -> None:
    """Serve a store, and use a client of it in another thread."""
    app = app_of(store)
    serving = LoopThread(lambda: served(app))
    with nothing_left():
        address = serving.start()
        try:
            with httpx.Client(base_url=address, timeout=LONG) as client:
                use(app, client)
        finally:
            serving.stop()


@pytest.fixture
def filled(store: EventStore, database_url: str) -> str:
    """The URL of a store with calls of a customer."""
    for number in range(30):
        store.append(f"sess_{number}", FRAMES, close=True)
        store.set_metadata(f"sess_{number}", {"customer": "42"})
    store.append("live", FRAMES[:3])
    return database_url


def test_an_app_serves_a_store_until_its_lifespan_ends(filled: str) -> None:
    store = AsyncEventStore(filled)

    def use(app: FastAPI, client: httpx.Client) -> None:
        ids = client.get("/sessions", params={"customer": "42"}).json()
        assert len(ids) == 30
        with ThreadPoolExecutor(10) as pool:
            answers = pool.map(lambda id_: client.get(f"/sessions/{id_}/frames"), ids * 2)
            assert {len(answer.text.splitlines()) for answer in answers} == {len(FRAMES) + 1}

    with_client(store, use)
    with pytest.raises(ClosedError):
        asyncio.run(store.models())


def test_a_client_that_leaves_ends_the_reading_for_it(filled: str) -> None:
    def use(app: FastAPI, client: httpx.Client) -> None:
        with client.stream("GET", "/sessions/live/follow") as answer:
            assert next(answer.iter_lines()) == "opened"
            assert app.state.followed.wait(LONG)
        assert app.state.left.wait(LONG)
        eventually(lambda: transactions() == 0)

    with_client(AsyncEventStore(filled, threads=1), use)


def test_a_client_that_follows_does_not_keep_the_app_from_ending(filled: str) -> None:
    """uvicorn waits for the answer, which ends as the session is closed."""

    def use(app: FastAPI, client: httpx.Client) -> None:
        with EventStore(filled) as other, client.stream("GET", "/sessions/live/follow") as answer:
            lines = answer.iter_lines()
            assert next(lines) == "opened"
            other.append("live", FRAMES[3:], close=True)
            assert len(list(lines)) > 3

    with_client(AsyncEventStore(filled, threads=1), use)
