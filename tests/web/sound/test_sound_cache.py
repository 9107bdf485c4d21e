"""Files that are made of sessions' sound: kept as long as they are of the session as it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from exports.calls_to_export import put_sample
from support.sound import opened

from eventstore import ErasedError, EventStore, NotFoundError
from eventstore.verbs.queries import Queries
from eventstore.web.server.errors import ApiError
from eventstore.web.server.places import BusyError, Places
from eventstore.web.sound import sound_cache
from eventstore.web.sound.sound_cache import Check, Make, SoundCache, SoundKey
from eventstore.web.sound.sound_files import NamelessFile


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with EventStore(f"sqlite:///{tmp_path}/calls.db") as opened:
        yield opened


def writing(text: str) -> Make:
    return lambda stream, check: stream.write(text.encode())


def content(file: NamelessFile) -> str:
    return file.read(0, file.size).decode()


def run(
    store: EventStore, work: Callable[[SoundCache], Awaitable[None]], most: int = 1 << 30
) -> None:
    """Do something with a cache, on an event loop of its own."""

    async def with_cache() -> None:
        cache = SoundCache(store.engine, Places(4, 4), most, look_each=0.01)
        try:
            await work(cache)
        finally:
            cache.close()

    asyncio.run(with_cache())


async def get(
    cache: SoundCache, queries: Queries, call: str, kind: str, text: str | Make
) -> NamelessFile:
    make = writing(text) if isinstance(text, str) else text
    wanted = SoundKey(call, queries.revision(call), kind)
    return await cache.get(queries, wanted, "somebody", make)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


def test_a_file_is_made_once(store: EventStore) -> None:
    call = put_sample(store)

    async def work(cache: SoundCache) -> None:
        for text in ("one", "two"):
            assert content(await get(cache, store, call, "waveform", text)) == "one"
        assert content(await get(cache, store, call, "wav", "other")) == "other"

    run(store, work)


def test_who_asks_while_it_is_made_waits_for_it(store: EventStore) -> None:
    call, made = put_sample(store), []

    def make(stream: BinaryIO, check: Check) -> None:
        made.append(stream.write(b"once"))

    async def work(cache: SoundCache) -> None:
        found = await asyncio.gather(*(get(cache, store, call, "wav", make) for _ in range(30)))
        assert {content(file) for file in found} == {"once"} and len(made) == 1

    run(store, work)


def test_a_call_that_went_on_is_made_anew(store: EventStore) -> None:
    call = put_sample(store)

    async def work(cache: SoundCache) -> None:
        before = await get(cache, store, call, "wav", "before")
        store.set_metadata(call, {"customer": "42"})
        assert content(await get(cache, store, call, "wav", "now")) == "now"
        assert content(before) == "before", "who is being sent it gets all of it"
        del before
        await until(lambda: len(cache._alive) == 1)

    run(store, work)


def test_nothing_is_left_of_what_was_erased(store: EventStore) -> None:
    call = put_sample(store)
    store.append(call, [], close=True)

    async def work(cache: SoundCache) -> None:
        heard = await get(cache, store, call, "wav", "heard")
        store.erase(call, audio_only=True, vacuum=False).raise_for_errors()
        silent = await get(cache, store, call, "wav", "silent")
        assert content(silent) == "silent" and heard.size == 0
        store.erase(call, vacuum=False).raise_for_errors()
        with pytest.raises(ErasedError):
            await get(cache, store, call, "wav", "again")

    run(store, work)


@pytest.mark.parametrize("audio_only", [True, False])
def test_what_somebody_else_erased_is_dropped_unasked(store: EventStore, audio_only: bool) -> None:
    call, other = put_sample(store), "sess_other"
    store.append(call, [], close=True)
    store.append(other, [opened()])

    async def work(cache: SoundCache) -> None:
        heard = await get(cache, store, call, "wav", "heard")
        kept = await get(cache, store, other, "wav", "kept")
        with EventStore(str(store.engine.url)) as elsewhere:
            elsewhere.erase(call, audio_only=audio_only, vacuum=False).raise_for_errors()
        await until(lambda: heard.size == 0)
        assert content(kept) == "kept"

    run(store, work)


def test_files_go_where_the_database_cannot_be_asked(store: EventStore, tmp_path: Path) -> None:
    call = put_sample(store)

    async def work(cache: SoundCache) -> None:
        heard = await get(cache, store, call, "wav", "heard")
        store.close()
        (tmp_path / "calls.db").write_bytes(b"no database")
        await until(lambda: heard.size == 0)

    run(store, work)


def test_files_go_where_a_look_fails(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    call = put_sample(store)

    def fail(*_: object) -> None:
        raise ValueError("nobody foresaw this")

    async def work(cache: SoundCache) -> None:
        heard = await get(cache, store, call, "wav", "heard")
        monkeypatch.setattr(sound_cache, "find_revisions", fail)
        await until(lambda: heard.is_emptied)

    run(store, work)


def test_what_is_erased_while_it_is_made_is_given_to_nobody(store: EventStore) -> None:
    call = put_sample(store)
    begun, erased = threading.Event(), threading.Event()

    def make(stream: BinaryIO, check: Check) -> None:
        stream.write(b"heard")
        begun.set()
        assert erased.wait(20)
        check()
        stream.write(b"more")

    async def work(cache: SoundCache) -> None:
        asked = asyncio.create_task(get(cache, store, call, "wav", make))
        await until(begun.is_set)
        store.erase(call, vacuum=False).raise_for_errors()
        cache.forget(call)
        erased.set()
        with pytest.raises(ErasedError):
            await asked
        assert not cache._alive and not cache._files

    run(store, work)


def test_what_takes_too_long_is_ended(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.web.sound.sound_cache.MAKING_TIME_LIMIT", 0.0)
    call = put_sample(store)

    async def work(cache: SoundCache) -> None:
        with pytest.raises(ApiError, match="ask for a part"):
            await get(cache, store, call, "wav", lambda stream, check: check())

    run(store, work)


def test_one_asker_makes_two_files_at_once_and_a_few_wait(store: EventStore) -> None:
    call = put_sample(store)
    begun, let_on = threading.Semaphore(0), threading.Event()

    def make(stream: BinaryIO, check: Check) -> None:
        begun.release()
        assert let_on.wait(20)

    async def work(cache: SoundCache) -> None:
        asked = [asyncio.create_task(get(cache, store, call, str(n), make)) for n in range(7)]
        await until(lambda: sum(task.done() for task in asked) == 1)
        with pytest.raises(BusyError):
            await next(task for task in asked if task.done())
        wanted = SoundKey(call, store.revision(call), "another's")
        neighbour = asyncio.create_task(cache.get(store, wanted, "neighbour", make))
        for _ in range(3):
            await asyncio.to_thread(begun.acquire)
        assert not begun.acquire(blocking=False), "two are made of the one, and one of the other"
        let_on.set()
        await asyncio.gather(neighbour, *(task for task in asked if not task.done()))

    run(store, work)


def test_who_does_not_see_a_session_deletes_nothing(store: EventStore) -> None:
    call = put_sample(store)

    async def work(cache: SoundCache) -> None:
        heard = await get(cache, store, call, "wav", "heard")
        with pytest.raises(NotFoundError):
            await get(cache, store.scoped("customer", "42"), call, "wav", "no")
        assert content(heard) == "heard"

    run(store, work)


def test_those_used_least_go_where_there_are_too_many(store: EventStore) -> None:
    async def work(cache: SoundCache) -> None:
        for name in ("wav", "flac", "ogg"):
            await get(cache, store, put_sample(store), name, "x" * 6000)
        assert [wanted.kind for wanted in cache._files] == ["flac", "ogg"]

    run(store, work, most=20_000)
