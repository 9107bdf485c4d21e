"""Integration: each verb gives the same for asyncio as in a thread: the same answer or error."""

from __future__ import annotations

import asyncio
import dataclasses
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fuzz.opened import Ids
from fuzz.verbs import asked_of
from support.calls import voice_call
from support.left_behind import nothing_left

from eventstore import (
    AsyncEventStore,
    AsyncItems,
    AsyncPage,
    AsyncQueries,
    EventStore,
    EventStoreError,
    Page,
)

SESSION = "sess_1"
IDS = Ids([SESSION], ["resp_1"], ["item_1", "item_2"], ["conv_1"])


class Awaited:
    """Asks an asynchronous store as a program without an event loop asks a store."""

    def __init__(self, runner: asyncio.Runner, store: Any) -> None:
        self._runner, self._store = runner, store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return partial(self._ask, found) if callable(found) else self._given(found)

    def _ask(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        return self._given(self._runner.run(self._awaited(verb(*args, **kwargs))))

    def _given(self, found: Any) -> Any:
        return Awaited(self._runner, found) if isinstance(found, AsyncQueries) else found

    async def _awaited(self, found: Any) -> Any:
        if isinstance(found, AsyncItems):
            return [item async for item in found]
        if isinstance(found, AsyncQueries):
            return found
        found = await found
        if isinstance(found, AsyncPage):
            ahead = await found.next_page()
            entries = [entry async for entry in found.iter_all()] if found.data else []
            return [found.as_list(), ahead and ahead.as_list(), entries]
        return found


def _answer(asked: Any) -> Any:
    """What a verb answers, or its error, as something to compare."""
    try:
        found = asked()
        if isinstance(found, Iterator):
            return list(found)
        if isinstance(found, Page):
            ahead = found.next_page()
            return [found.as_list(), ahead and ahead.as_list(), list(found.iter_all())]
    except EventStoreError as error:
        return type(error), str(error)
    return _plain(found)


def _plain(found: Any) -> Any:
    if dataclasses.is_dataclass(found) and hasattr(found, "failed"):
        failed = [(one.session_id, type(one.error), str(one.error)) for one in found.failed]
        return found.done, failed
    return found


def _listed(answer: Any) -> Any:
    """An answer without errors that are not the same object: a `Failure` has one."""
    if isinstance(answer, list):
        return [
            (one.session_id, str(one.error)) if hasattr(one, "error") else one for one in answer
        ]
    return answer


def test_each_verb_that_reads_answers_as_in_a_thread(store: EventStore, database_url: str) -> None:
    store.append(SESSION, voice_call().frames, close=True)
    store.append("sess_2", voice_call().frames[:20])
    store.set_metadata("sess_2", {"customer": "a"})
    asked = 0
    with nothing_left(), asyncio.Runner() as runner:
        twin = AsyncEventStore(database_url, threads=2)
        of_twin: Any = Awaited(runner, twin)
        pairs = zip(asked_of(store, IDS), asked_of(of_twin, IDS), strict=True)
        for (name, ask), (_, ask_twin) in pairs:
            asked += 1
            assert _listed(_answer(ask_twin)) == _listed(_answer(ask)), name
        runner.run(twin.close())
    assert asked > 300


def test_no_work_is_done_on_sessions_that_nobody_asked_for(
    store: EventStore, database_url: str
) -> None:
    """As in a thread: who stops after the first session has sealed that one alone."""
    ids = [f"sess_{number}" for number in range(5)]
    for id_ in ids:
        store.append(id_, voice_call().frames[:3], close=True)

    async def seal() -> None:
        async with AsyncEventStore(database_url, threads=1) as twin:
            sealing = twin.iter_seal(ids)
            assert (await anext(sealing)).session_id == "sess_0"  # type: ignore[union-attr]
            assert await twin.last_seq(ids[1]) == 3  # the thread has come so far
            await sealing.aclose()

    with nothing_left():
        asyncio.run(seal())
    assert store.status()["sealed_sessions"] == 1


def test_each_verb_that_writes_does_the_same(
    store: EventStore, database_url: str, tmp_path: Path
) -> None:
    async def write() -> None:
        lines = io.BytesIO(b"".join(store.export(SESSION)))
        async with AsyncEventStore(database_url) as twin, AsyncEventStore("sqlite://") as other:
            done = await twin.append("sess_3", voice_call().frames, expected_seq=0, close=True)
            assert done.last_seq == store.last_seq("sess_3") == len(voice_call().frames)
            await twin.set_metadata("sess_3", {"customer": "42"})
            assert store.metadata("sess_3")["customer"] == "42"
            [imported] = await twin.import_file(lines, session_id="sess_4")
            assert imported.session_id == "sess_4"
            sealed = await twin.seal(twin.closed_sessions())
            assert {one.session_id for one in sealed.done} >= {"sess_3", "sess_4"}
            kept = [event async for event in twin.events("sess_3")]
            assert kept == list(store.events("sess_3"))
            copied = await twin.copy(twin.closed_sessions(), other)
            assert len(copied.raise_for_errors().done) == len(sealed.done)
            assert await other.session("sess_3") == store.session("sess_3")
            unsealed = [one async for one in twin.iter_unseal(["sess_3", "nowhere"])]
            assert [one.session_id for one in unsealed] == ["sess_3", "nowhere"]
            assert (await twin.repair(["sess_3"])).failed == []
            assert (await twin.rebuild(["sess_3"])).failed == []
            assert (await twin.project()).failed == [] == (await twin.sum_days()).failed
            erased = await twin.erase("sess_3", reason="asked for", vacuum=False)
            assert [one.session_id for one in erased.done] == ["sess_3"]
            assert (await twin.status())["sessions"] == store.status()["sessions"]
            if store.engine.dialect.name == "sqlite":
                assert (await twin.backup(tmp_path / "backup.db")).sessions == 2
            assert (await twin.init())[1] == store.init()[1]

    store.append(SESSION, voice_call().frames, close=True)
    with nothing_left():
        asyncio.run(write())
