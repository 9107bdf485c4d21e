"""Integration: what the views say is what the verbs say, of every kind of session."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import beta_tool_call, cut_off_call, short_call, voice_call
from support.events import Call
from support.examples import examples
from support.gpt_live import client_call, decisions_call, responses_call
from support.strategies import streams

from eventstore import EventStore
from eventstore.realtime.frames import Frame
from eventstore.realtime.values import column_text, metadata_pairs
from eventstore.times import parse_time

Json = dict[str, Any]

#: The fields of a report of usage, and the columns of views that have the same.
OF_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "input_text": "input_text_tokens",
    "input_audio": "input_audio_tokens",
    "input_image": "input_image_tokens",
    "cached_tokens": "cached_tokens",
    "output_text": "output_text_tokens",
    "output_audio": "output_audio_tokens",
}
OF_LINES = OF_USAGE | {
    "cached_text": "cached_text_tokens",
    "cached_audio": "cached_audio_tokens",
    "cached_image": "cached_image_tokens",
}
_names = (f"sess_{number}" for number in count())


def rows(store: EventStore, view: str, session_id: str, order: str = "session_id") -> list[Json]:
    statement = f"SELECT * FROM {view} WHERE session_id = :id ORDER BY {order}"
    return store.sql(statement, {"id": session_id}).data


def close_to(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, abs=1e-6)


def check_session(store: EventStore, session_id: str, encrypted: bool = False) -> None:
    """Compare the row of a session with what the verbs say."""
    resource = store.session(session_id)
    (listed,) = [one for one in store.sessions(limit=100, summary=True) if one["id"] == session_id]
    notes, summary = resource["eventstore"], listed["eventstore"]["summary"]
    (row,) = rows(store, "v_sessions", session_id)
    if notes["opened_at"] is not None:
        assert row["started_at"] == notes["opened_at"]
    assert parse_time(row["started_at"]) == row["started_at_us"]
    assert row["day"] == row["started_at"][:10]
    assert row["last_event_at"] == notes["last_at"]
    length = notes["duration_ms"]
    assert row["length_s"] == close_to(None if length is None else length / 1000)
    assert row["status"] == ("ended" if notes["closed"] else "live")
    for name in ("events", "responses", "interruptions", "errors"):
        assert row[name] == notes[name], name
    assert row["protocol"] == (None if encrypted else notes["protocol"])
    assert bool(row["encrypted"]) is encrypted
    assert row["turns"] == summary["turns"]
    assert row["slowest_answer_ms"] == close_to(summary["slowest_ms"])
    assert json.loads(row["metadata"]) == store.metadata(session_id) == notes["metadata"]
    pairs = {one["key"]: one["value"] for one in rows(store, "v_session_metadata", session_id)}
    assert pairs == store.metadata(session_id)
    total = store.usage(session=session_id)["total"]
    lines = rows(store, "v_usage", session_id)
    for name, column in OF_USAGE.items():
        assert (row[column] or 0) == total[name], name  # type: ignore[literal-required]
    for name, column in OF_LINES.items():
        summed = sum(line[column] or 0 for line in lines)
        assert summed == total[name], name  # type: ignore[literal-required]
    seconds = sum(line["audio_s"] or 0 for line in lines)
    assert seconds == pytest.approx(total["audio_ms"] / 1000)
    kinds = [line["kind"] for line in lines]
    assert kinds.count("transcription") == total["transcriptions"]
    if row["known_cost_usd"] is not None:
        assert row["known_cost_usd"] == pytest.approx(total["cost_usd"], abs=1e-9)


def check_responses(store: EventStore, session_id: str, encrypted: bool = False) -> None:
    """Compare the rows of responses with what the verbs say."""
    wanted = {one["id"]: one for one in store.responses(session=session_id, limit=100)}
    found = {row["response_id"]: row for row in rows(store, "v_responses", session_id)}
    assert found.keys() == wanted.keys()
    pairs: dict[str, Json] = {id_: {} for id_ in found}
    for one in rows(store, "v_response_metadata", session_id, "of_session"):
        pairs[one["response_id"]][one["key"]] = one["value"]
    for id_, response in wanted.items():
        notes, row = response["eventstore"], found[id_]
        told = (column_text(response["status"], 64), column_text(notes["model"]))
        assert (row["status"], row["model"]) == told
        assert bool(row["interrupted"]) is notes["interrupted"]
        assert row["seq"] == notes["seq"]
        assert row["done_at"] == notes["done_at"]
        assert row["created_at_us"] == parse_time(row["created_at"])
        assert row["duration_ms"] == close_to(notes["duration_ms"])
        assert row["kind"] == (None if encrypted else notes.get("kind"))
        own = metadata_pairs(response["metadata"])
        assert json.loads(row["metadata"]) == own | store.metadata(session_id) == pairs[id_]


def check_items(store: EventStore, session_id: str, encrypted: bool = False) -> None:
    """Compare the rows of items with the conversations."""
    found = rows(store, "v_items", session_id, "conversation_id, order_number")
    by_id = {row["item_id"]: row for row in found}
    for conversation in store.state(session_id)["conversations"]:
        ids = [item["id"] for item in conversation["items"]]
        of_it = [by_id[id_] for id_ in ids]
        assert [row["conversation_id"] for row in of_it] == [conversation["id"]] * len(ids)
        numbers = [row["order_number"] for row in of_it]
        assert numbers == sorted(numbers) and len(set(numbers)) == len(ids)
        for item, row in zip(conversation["items"], of_it, strict=True):
            told = column_text(item["type"], 64)  # hostile servers send others
            assert (row["type"], row["at"]) == (told, item["eventstore"]["at"])
            assert not encrypted or row["said"] is None


def check_events(store: EventStore, session_id: str, encrypted: bool = False) -> None:
    """Compare the rows of events with the log."""
    (row,) = rows(store, "v_sessions", session_id)
    found = rows(store, "v_events", session_id, "seq")
    wanted = list(store.events(session_id, row["sealed_events"] + 1))
    assert [(r["seq"], r["type"], r["direction"], r["at_us"]) for r in found] == [
        (e.seq, e.type, e.direction, e.at) for e in wanted
    ]
    for event, shown in zip(wanted, found, strict=True):
        if encrypted or not isinstance(event.text, str):
            assert shown["frame"] is None
        elif shown["frame"] is not None and not shown["audio_bytes"]:
            assert shown["frame"] == event.text


def check_all(store: EventStore, session_id: str, encrypted: bool = False) -> None:
    for check in (check_session, check_responses, check_items, check_events):
        check(store, session_id, encrypted)


CALLS = [
    *(make().frames for make in (voice_call, beta_tool_call, cut_off_call, short_call)),
    *(make().frames for make in (client_call, responses_call, decisions_call)),
    [Frame(one.direction, one.text, None) for one in voice_call().frames],
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_each_sample_call_is_told_as_by_the_verbs(store: EventStore, number: int) -> None:
    store.append("sess_1", CALLS[number][:-3])
    store.set_metadata("sess_1", {"customer": "42", "topic": "of the session"})
    check_all(store, "sess_1")
    store.append("sess_1", CALLS[number][-3:], close=True)
    store.price_sessions().raise_for_errors()
    check_all(store, "sess_1")
    store.seal("sess_1").raise_for_errors()
    check_all(store, "sess_1")
    (row,) = rows(store, "v_sessions", "sess_1")
    assert row["sealed_events"] == row["events"] and rows(store, "v_events", "sess_1") == []


def test_any_stream_is_told_as_by_the_verbs(store: EventStore) -> None:
    @examples(25)
    @given(streams(), st.booleans())
    def check(stream: list[Frame], close: bool) -> None:
        session_id = next(_names)
        store.append(session_id, stream, close=close)
        check_all(store, session_id)
        store.erase(session_id, vacuum=False).raise_for_errors()

    check()


def test_an_encrypted_store_shows_numbers_and_no_words(database_url: str, tmp_path: Path) -> None:
    with EventStore(database_url, keys=f"sqlite:///{tmp_path / 'keys.db'}") as store:
        for number, stream in enumerate(CALLS):
            store.append(f"sess_{number}", stream, close=True)
            store.score(f"sess_{number}", "topic", "refund")
            check_all(store, f"sess_{number}", encrypted=True)
        assert store.sql("SELECT label FROM v_scores WHERE label IS NOT NULL").data == []
        everything = json.dumps(
            [store.sql(f"SELECT * FROM {view}").data for view in ("v_items", "v_events")]
        )
    assert "sunny" not in everything and "Oslo" not in everything and "\\u0001" not in everything


def test_an_erased_session_is_in_no_view(store: EventStore) -> None:
    store.append("sess_1", voice_call().frames, close=True)
    store.score("sess_1", "helpful", 1)
    store.erase("sess_1", vacuum=False).raise_for_errors()
    views = ("sessions", "responses", "items", "usage", "events", "scores", "session_metadata")
    for view in (*views, "response_metadata"):
        assert rows(store, f"v_{view}", "sess_1") == []


def test_scores_are_those_of_the_verb(store: EventStore) -> None:
    store.append("sess_1", voice_call().frames, close=True)
    store.score("sess_1", "helpful", 0.25, response="resp_1", by="judge")
    store.score("sess_1", "solved", True)
    store.score("sess_1", "topic", "refund", item="item_1")
    found = {row["name"]: row for row in rows(store, "v_scores", "sess_1")}
    for score in store.scores("sess_1"):
        row = found[score["name"]]
        assert (row["kind"], row["given_by"]) == (score["kind"], score.get("by"))
        value = row["label"] if score["kind"] == "label" else row["number"]
        assert value == score["value"]
    assert (found["helpful"]["target"], found["helpful"]["response_id"]) == ("response", "resp_1")
    assert (found["topic"]["target"], found["topic"]["item_id"]) == ("item", "item_1")
    assert (found["solved"]["target"], found["solved"]["item_id"]) == ("session", None)


def test_a_call_without_usage_has_unknown_tokens(store: EventStore) -> None:
    store.append("sess_1", Call().created("resp_1").done("resp_1").frames, close=True)
    (line,) = rows(store, "v_usage", "sess_1")
    assert not line["reported"] and line["input_tokens"] is None and line["audio_s"] is None
    (response,) = rows(store, "v_responses", "sess_1")
    assert (response["total_tokens"], response["input_text_tokens"]) == (0, None)
    (session,) = rows(store, "v_sessions", "sess_1")
    assert session["total_tokens"] is None and session["known_cost_usd"] is None


def test_what_a_session_costs_is_null_until_it_is_computed(store: EventStore) -> None:
    store.append("sess_1", voice_call().frames)
    assert rows(store, "v_sessions", "sess_1")[0]["known_cost_usd"] is None
    store.price_sessions().raise_for_errors()
    total = store.usage(session="sess_1")["total"]
    (row,) = rows(store, "v_sessions", "sess_1")
    assert row["known_cost_usd"] == pytest.approx(total["cost_usd"]) and row["cost_prices"]


def test_tools_are_listed_and_a_sessions_metadata_win(store: EventStore) -> None:
    for stream in CALLS:
        store.append(next(_names), stream)
    called = store.sql("SELECT session_id, tools FROM v_sessions").data
    for row in called:
        for tool in json.loads(row["tools"]):
            assert row["session_id"] in [one["id"] for one in store.sessions(tool=tool)]
    assert any(json.loads(row["tools"]) for row in called)
