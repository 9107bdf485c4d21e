"""Integration: what a listed session adds up to is what its whole state adds up to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.events import Call
from support.figure_calls import waited_ms
from support.query_calls import calls, recorded
from support.recordings import frames

from eventstore import EventStore
from eventstore.store.database.transaction import read

Json = dict[str, Any]


def expected(store: EventStore, id_: str) -> Json:
    """A session's summary by its state, in plain Python."""
    shown = store.state(id_)
    turns = [
        item
        for conversation in shown["conversations"]
        for item in conversation["items"]
        if item["type"] == "message" and item.get("role") in ("user", "assistant")
    ]
    waited = [ms for response in shown["responses"] if (ms := waited_ms(response)) is not None]
    usage = shown["usage"]
    return {
        "turns": len(turns),
        **{name: usage[name] for name in ("input_tokens", "cached_tokens", "output_tokens")},
        "cost_usd": usage["cost_usd"],
        "unpriced": usage["unpriced"]["models"] != [],
        "slowest_ms": max(waited, default=None),
    }


def check(store: EventStore, ids: list[str]) -> list[Json]:
    page = store.sessions(limit=100, summary=True)
    found = {one["id"]: one["eventstore"]["summary"] for one in page.data}
    assert sorted(found) == sorted(ids)
    wanted = {id_: expected(store, id_) for id_ in ids}
    assert {i: rounded(s) for i, s in found.items()} == {i: rounded(s) for i, s in wanted.items()}
    plain = [{**one, "eventstore": dict(one["eventstore"])} for one in page.data]
    for one in plain:
        del one["eventstore"]["summary"]
    assert plain == store.sessions(limit=100).data
    return list(found.values())


def rounded(summary: Json) -> Json:
    cost = summary["cost_usd"]
    return summary | {"cost_usd": None if cost is None else round(cost, 9)}


def test_calls_with_all_kinds_of_usage(store: EventStore) -> None:
    found = check(recorded(store), list(calls()))
    assert {one["unpriced"] for one in found} == {True, False}
    assert len({one["cost_usd"] for one in found}) > 3
    assert all(one["turns"] for one in found)


def test_calls_with_answers_by_voice_and_text(store: EventStore) -> None:
    made = {"voice": voice_call(), "tools": beta_tool_call(), "cut": cut_off_call()}
    made["empty"] = Call().server("session.created", session={"id": "s"})
    made["deleted"] = voice_call()
    item = made["deleted"].order()[0]
    made["deleted"].server("conversation.item.deleted", item_id=item)
    for name, call in made.items():
        store.append(name, call.frames)
    found = {one["id"]: one for one in store.sessions(summary=True).data}
    check(store, list(made))
    assert found["voice"]["eventstore"]["summary"]["slowest_ms"] > 0
    empty = found["empty"]["eventstore"]["summary"]
    assert (empty["turns"], empty["slowest_ms"], empty["cost_usd"]) == (0, None, 0.0)
    turns = [found[name]["eventstore"]["summary"]["turns"] for name in ("voice", "deleted")]
    assert turns[1] == turns[0] - 1


def test_the_recordings(store: EventStore, recordings: list[Path]) -> None:
    for path in recordings:
        store.append(path.stem, frames(path), close=True)
    found = check(store, [path.stem for path in recordings])
    assert any(one["slowest_ms"] for one in found) and any(one["cost_usd"] for one in found)


def test_sessions_without_times_and_a_page_without_sessions(
    store: EventStore, recordings: list[Path]
) -> None:
    assert store.sessions(summary=True).data == []
    for path in recordings:
        store.append(path.stem, frames(path, None))
    assert {one["slowest_ms"] for one in check(store, [p.stem for p in recordings])} == {None}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_page_takes_as_many_statements_as_one_session(store: EventStore) -> None:
    recorded(store)

    def statements(limit: int) -> int:
        run: list[str] = []
        with read(store.engine) as tx:
            tx.connection.set_trace_callback(run.append)
        assert len(store.sessions(limit=limit, summary=True).data) == limit
        return len(run)

    assert statements(1) == statements(12) > 3
