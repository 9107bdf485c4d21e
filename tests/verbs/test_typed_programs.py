"""A user's code is checked by `mypy --strict`: what is right passes, and mistakes are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

api = pytest.importorskip("mypy.api", reason="mypy is not installed: pip install --group test")

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import eventstore
from eventstore import (
    AsyncEventStore, AsyncItems, AsyncPage, AsyncQueries, Copied, EventStore, Failure, Frame,
    InvalidInputError, ItemResource, Page, Recorder, ResponseResource, Results, Sealed,
    SessionFilterParams, SessionResource, SomeFailedError, StoredEvent, UsageReport,
)


def lists(store: EventStore) -> list[str]:
    page: Page[SessionResource] = store.sessions(
        metadata={"customer": "42"}, status="errors", since=date(2026, 5, 1), limit=5
    )
    store.sessions(metadata="customer=42", until=datetime(2026, 5, 2), min_cost=0.5)
    store.responses(metadata=["customer=42", "queue"], status="completed", since="2026-05-01")
    store.responses(since=1_777_000_000, until=1.5, modality="audio", min_tokens=None)
    wanted: SessionFilterParams = {"model": "gpt-realtime", "min_turns": 2}
    store.session_ids(**wanted)
    as_sequence: Sequence[SessionResource] = page
    first: SessionResource = page[0]
    ids: list[str] = [session["id"] for session in page.iter_all()]
    following = page.next_page()
    if following is not None and following.has_more and following.last_id is not None:
        ids.append(following.last_id)
    return [first["model"], *ids, str(len(as_sequence))]


def resources(store: EventStore, session_id: str) -> float:
    response: ResponseResource = store.response("resp_1")
    items: list[ItemResource] = store.conversation("conv_1")["items"]
    whole = store.state(session_id, at="+12.5")
    heard: str = response["eventstore"]["heard"]
    print(heard, items[0]["eventstore"]["seq"], whole["responses"][0]["status"])
    usage: UsageReport = store.usage(by="day", since=date(2026, 5, 1))
    return usage["total"]["cost_usd"] or 0.0


def upkeep(store: EventStore, other: EventStore) -> Iterator[str]:
    done: Results[Sealed] = store.seal("sess_1")
    store.seal(store.closed_sessions(older_than=timedelta(days=7), metadata="a=b"), workers=2)
    copied: list[Copied] = store.copy(["a", "b"], other).raise_for_errors().done
    for one in store.iter_erase(("a", "b"), reason="asked for"):
        if isinstance(one, Failure):
            yield f"{one.session_id}: {one.error}"
        else:
            yield one.session_id
    try:
        store.project().raise_for_errors()
    except SomeFailedError as error:
        yield from (failure.name for failure in error.failures)
    print(done.failed, copied)


def appends(store: EventStore) -> int:
    try:
        return store.append("s", [Frame("client", "{}")], expected_seq=0).last_seq
    except InvalidInputError:
        return eventstore.EventStore().last_seq("s")


async def with_asyncio(url: str, other: EventStore) -> list[str]:
    wanted: SessionFilterParams = {"model": "gpt-realtime", "min_turns": 2}
    async with AsyncEventStore(url, threads=4) as store, Recorder(store.sync) as recorder:
        await recorder.session().committed()
        recorder.session().committed().result(10)
        page: AsyncPage[SessionResource] = await store.sessions(limit=5, **wanted)
        entries: AsyncItems[SessionResource] = page.iter_all()
        first: SessionResource = page[0]
        ids: list[str] = [session["id"] async for session in entries]
        ids += [session_id async for session_id in store.session_ids(since=date(2026, 5, 1))]
        event: StoredEvent = await anext(store.events("s"))
        async with store.follow("s", stopped=lambda: False) as cues:
            ids += [cue.text async for cue in cues]
        async with store.subscribe("crm", of="responses") as feed:
            ids += [delivery.session_id async for delivery in feed]
        scoped: AsyncQueries = store.scoped("customer", "42")
        usage: UsageReport = await scoped.usage(by="day")
        done: Results[Sealed] = await store.seal(store.closed_sessions("7d"), workers=2)
        copied: Results[Copied] = await store.copy(["a"], other)
        async with AsyncEventStore() as target:
            await store.copy(("a", "b"), target, then_delete=True)
        async for one in store.iter_erase("a", reason="asked for"):
            ids.append(one.session_id or "" if isinstance(one, Failure) else one.session_id)
        await store.append("s", [Frame("client", "{}")], expected_seq=0)
        return [first["model"], *ids, str((event.seq, usage, done, copied))]
"""

#: Each mistake, and the code with which mypy refuses it.
BAD = {
    'store.sessions(metdata={"a": "b"})': "call-arg",
    'store.responses(metdata={"a": "b"})': "call-arg",
    'store.usage(metdata="a=b")': "call-arg",
    'store.sessions(status="complete")': "arg-type",
    'store.responses(status="complete")': "arg-type",
    'store.sessions(status="completed")': "arg-type",
    "store.sessions(since=object())": "arg-type",
    "store.responses(until=object())": "arg-type",
    "store.closed_sessions(since=object())": "arg-type",
    'store.closed_sessions(status="ended")': "call-arg",
    'store.closed_sessions("7d", text="a")': "call-arg",
    "store.sessions(metadata={1: 2})": "dict-item",
    'store.sessions(scope="a=b")': "call-arg",
    'store.sessions(sort="tokens")': "arg-type",
    'store.sessions(order="up")': "arg-type",
    'store.state("s", dialect="alpha")': "arg-type",
    'store.sessions(modality="audio")': "call-arg",
    'store.sessions().data[0]["modle"]': "typeddict-item",
    'store.response("r")["eventstore"]["herd"]': "typeddict-item",
    'store.usage()["totals"]': "typeddict-item",
    "store.sessions().next_page().data": "union-attr",
    "store.seal(5)": "arg-type",
    "store.seal(None)": "arg-type",
    'store.copy("s", "sqlite:///b.db")': "arg-type",
    'store.seal("s")[0]': "index",
    'next(store.iter_seal("s")).sha256': "union-attr",
    'store.append("s", [{"type": "x"}])': "list-item",
    'store.append("s", ["{}"])': "list-item",
    'EventStore(projection="later")': "arg-type",
    'store.show("s")': "deprecated",
    'store.archive(["s"])': "deprecated",
    'page = later.sessions(metdata={"a": "b"})': "call-arg",
    'later.responses(status="complete")': "arg-type",
    'later.events("s", first="1")': "arg-type",
    "later.seal(5)": "arg-type",
    'later.copy("s", "sqlite:///b.db")': "arg-type",
    'later.session("s")["id"]': "index",
    'later.archive(["s"])': "attr-defined",
    "later.sesions()": "attr-defined",
    'later.subscribe("crm", of="calls")': "arg-type",
    'AsyncEventStore(threads="4")': "arg-type",
}


def errors_of(out: str, name: str) -> Iterator[tuple[int, str]]:
    for line, code in re.findall(rf"{re.escape(name)}:(\d+): error: .*\[([\w-]+)\]$", out, re.M):
        yield int(line), code


# One test, since mypy takes half a minute: several would each ask it anew, in workers of their own.
def test_what_is_right_passes_and_each_mistake_is_refused(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    head = "from eventstore import AsyncEventStore, EventStore\n"
    head += "store = EventStore(); later = AsyncEventStore()\n"
    (tmp_path / "bad.py").write_text(head + "".join(f"{line}\n" for line in BAD))
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'programs'}"
    files = [str(tmp_path / name) for name in ("good.py", "bad.py")]
    options = ["--strict", "--follow-imports=silent", "--enable-error-code=deprecated"]
    out, err, _ = api.run([*options, "--config-file=", "--no-error-summary", cache, *files])
    assert not err, err
    assert dict(errors_of(out, "good.py")) == {}, out
    refused = dict(errors_of(out, "bad.py"))
    assert {line: refused.get(number) for number, line in enumerate(BAD, 3)} == BAD, out
