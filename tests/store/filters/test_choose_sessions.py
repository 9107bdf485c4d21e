"""Integration: sessions are chosen by what they are, page after page, none left out or twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventstore import EventStore, Frame
from eventstore.store.filters.choose_sessions import SessionChoice, choose_sessions
from eventstore.store.filters.filters import SessionFilter, checked_filter
from eventstore.store.log.session_facts import metadata_frame
from eventstore.store.sessions.append import append

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
COUNT = 20
ALL = range(COUNT)


@pytest.fixture
def full(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> EventStore:
    """A store with sessions a second apart, each fifth of them open; and an erased one."""
    monkeypatch.setattr("eventstore.store.filters.choose_sessions._PAGE", 3)
    for number in [*ALL, COUNT]:
        at = START + number * SECOND
        session = {"id": f"s{number:02}", "model": f"model-{number % 2}"}
        created = json.dumps({"type": "session.created", "session": session})
        tagged = metadata_frame({"customer": str(number % 3)}, at)
        store.append(f"s{number:02}", [Frame("server", created, at), tagged], close=number % 5 != 0)
    assert len(store.erase(f"s{COUNT}", vacuum=False).done) == 1
    return store


CASES: dict[str, tuple[dict[str, Any], set[int]]] = {
    "all": ({}, set(ALL)),
    "by model": ({"model": "model-1"}, {n for n in ALL if n % 2}),
    "by metadata": ({"metadata": "customer=2"}, {n for n in ALL if n % 3 == 2}),
    "by other metadata": ({"metadata": "customer!=2"}, {n for n in ALL if n % 3 != 2}),
    "by time": (
        {"since": START // SECOND + 4, "until": START // SECOND + 9},
        set(range(4, 9)),
    ),
    "by all of it": (
        {"since": START // SECOND + 4, "model": "model-0", "metadata": ["customer=0", "customer"]},
        {6, 12, 18},
    ),
    "none": ({"model": "model-2"}, set()),
}


@pytest.mark.parametrize("case", CASES)
def test_sessions_are_chosen_by_what_they_are(full: EventStore, case: str) -> None:
    filters, expected = CASES[case]
    wanted = checked_filter(SessionFilter, filters)

    def chosen(choice: SessionChoice, *besides: SessionChoice) -> list[int]:
        return [int(one.session_id[1:]) for one in choose_sessions(full.engine, choice, besides)]

    closed = {n for n in ALL if n % 5}
    assert chosen(SessionChoice(wanted)) == sorted(expected)
    assert chosen(SessionChoice(wanted, closed=True)) == sorted(expected & closed)
    before = SessionChoice(wanted, closed_before=START + 10 * SECOND)
    assert chosen(before) == sorted(expected & closed & set(range(10)))
    assert chosen(SessionChoice(), SessionChoice(wanted, closed=True)) == sorted(
        set(ALL) - (expected & closed)
    )
    assert [int(one[1:]) for one in full.closed_sessions(**filters)] == sorted(expected & closed)


def test_a_session_that_is_not_projected_yet_fits_no_filter(store: EventStore) -> None:
    append(store.engine, None, "s", [Frame("server", '{"type":"ping"}', START)], close=True)
    assert list(store.closed_sessions()) == ["s"]
    assert list(store.closed_sessions(older_than="7d")) == ["s"]
    for filters in ({"model": "m"}, {"metadata": "k=v"}, {"metadata": "k!=v"}, {"since": 0}):
        assert list(store.closed_sessions(**filters)) == []
