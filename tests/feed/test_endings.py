"""Integration: each session that ends is delivered once, however it was closed."""

from __future__ import annotations

import pytest
from support.calls import voice_call
from support.own_projections import NOTE, unsettled

from eventstore import EventStore, Frame
from eventstore.feed import read_deliveries
from eventstore.realtime.endings import CLOSING

FRAMES = voice_call().frames


def ended(store: EventStore, name: str, **options: object) -> list[str]:
    with store.subscribe(name, of="sessions", once=True, **options) as feed:  # type: ignore[arg-type]
        return [delivery.session_id for delivery in feed]


def test_a_session_that_is_closed_later_without_a_frame_is_delivered(store: EventStore) -> None:
    store.append("a", FRAMES)
    assert ended(store, "mine", from_="start") == []
    assert unsettled(store) == []
    store.append("a", [], close=True)
    assert ended(store, "mine") == ["a"]
    assert ended(store, "mine") == []


@pytest.mark.parametrize("frames", [[], [NOTE]])
def test_the_end_of_a_session_is_in_its_log(store: EventStore, frames: list[Frame]) -> None:
    store.append("a", FRAMES)
    closed = store.append("a", frames, len(FRAMES), close=True)
    assert [event.type for event in store.events("a", closed.last_seq)] == [
        "eventstore.session.closed"
    ]
    assert store.append("a", frames, len(FRAMES), close=True) == closed._replace(repeated=True)
    again = store.append("a", [], close=True)
    assert again.last_seq == closed.last_seq


def test_a_note_of_an_end_that_is_given_is_appended_as_it_is(store: EventStore) -> None:
    store.append("a", FRAMES, close=True)
    given = [Frame("server", '{"type":"error"}'), CLOSING]
    assert store.append("a", given, close=True).last_seq == len(FRAMES) + 2
    assert store.append("a", [CLOSING], close=True).last_seq == len(FRAMES) + 3


@pytest.mark.parametrize("of", ["sessions", "endings"])
def test_what_is_noted_long_after_its_end_ends_no_session_again(store: EventStore, of: str) -> None:
    store.append("settled", FRAMES, close=True)
    assert ended(store, "other", from_="start") == ["settled"]
    store.append("unsettled", FRAMES, close=True)
    with store.subscribe("mine", of=of, once=True) as feed:  # type: ignore[arg-type]
        assert list(feed) == []
    for session_id in ("settled", "unsettled"):
        store.score(session_id, "helpful", 0.5)
        store.append(session_id, [NOTE])
    store.append("new", FRAMES)
    with store.subscribe("mine", once=True) as feed:
        assert [one.session_id for one in feed if one.kind == "session"] == []
    store.append("new", [NOTE], close=True)
    with store.subscribe("mine", once=True) as feed:
        assert [one.session_id for one in feed if one.kind == "session"] == ["new"]


def test_a_session_that_is_wanted_only_after_its_end_is_delivered_then(store: EventStore) -> None:
    store.append("a", FRAMES, close=True)
    assert ended(store, "mine", from_="start", metadata={"a": "b"}) == []
    store.append("a", [NOTE])
    assert ended(store, "mine") == ["a"]
    store.append("a", [NOTE])
    assert ended(store, "mine") == []


def test_a_score_behind_its_end_hides_no_end(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_deliveries, "MOST_EVENTS", len(FRAMES))
    store.append("a", FRAMES, close=True)
    for _ in range(2):
        store.score("a", "helpful", 0.5)
    for _ in range(2):
        with store.subscribe("mine", of="endings", from_="start", once=True) as feed:
            found = [delivery.kind for delivery in feed]
            assert found[-1:] == (["session"] if "response" in found else [])


@pytest.mark.parametrize("of", ["sessions", "endings"])
def test_an_end_before_a_score_that_is_not_projected_yet(database_url: str, of: str) -> None:
    with EventStore(database_url, projection="deferred") as store:
        store.append("a", FRAMES, close=True)
        store.project().raise_for_errors()
        store.score("a", "helpful", 0.5)
        found = []
        for _ in range(2):
            with store.subscribe("mine", of=of, from_="start", once=True) as feed:  # type: ignore[arg-type]
                found += [delivery.kind for delivery in feed]
            store.project().raise_for_errors()
        assert found.count("session") == 1 and found[-1] == "session"
