"""Filters are bounded in number and length, and what is too much is one short line."""

from __future__ import annotations

from typing import Any

import pytest
from support.calls import voice_call

from eventstore import EventStore, InvalidInputError
from eventstore.store.usage import answer_lines

VERBS = ("sessions", "responses", "usage", "latency", "context")
TOO_MUCH: list[dict[str, Any]] = [
    {"metadata": [f"key{number}=x" for number in range(5000)]},
    {"metadata": {f"key{number}": "x" for number in range(5000)}},
    {"metadata": ["k" * 10**6]},
    {"since": "9" * 10**6},
    {"until": "x" * 10**6},
]
TEXTS = ["word " * 150, "x" * 10**6, '"' * 999, "- " * 400]


@pytest.mark.parametrize("filters", TOO_MUCH, ids=lambda filters: next(iter(filters)))
def test_what_is_too_much_is_told_in_a_line(database_url: str, filters: dict[str, Any]) -> None:
    with EventStore(database_url) as store:
        for verb in VERBS:
            with pytest.raises(InvalidInputError) as told:
                getattr(store, verb)(**filters)
            assert len(str(told.value)) < 300


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:8])
def test_a_search_for_too_much_is_told_in_a_line(database_url: str, text: str) -> None:
    with EventStore(database_url) as store:
        for verb in ("sessions", "responses"):
            with pytest.raises(InvalidInputError) as told:
                getattr(store, verb)(text=text)
            assert len(str(told.value)) < 300


def test_what_people_ask_is_answered(database_url: str) -> None:
    with EventStore(database_url) as store:
        conditions = [f"key{number}=x" for number in range(32)]
        for verb in ("sessions", "responses"):
            assert not getattr(store, verb)(metadata=conditions).data
            assert not getattr(store, verb)(text="word " * 32).data


@pytest.mark.parametrize("verb", ["usage", "latency"])
def test_an_answer_by_session_is_bounded(
    database_url: str, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    with EventStore(database_url) as store:
        for number in range(3):
            store.append(f"sess_{number}", voice_call().frames)
        assert len(getattr(store, verb)(by="session")["data"]) == 3
        lines = len(store.usage(by="session", session="sess_0")["data"])
        monkeypatch.setattr(answer_lines, "MAX_LINES", 2 * lines)
        monkeypatch.setattr(answer_lines, "MAX_TIMES", 2)
        with pytest.raises(InvalidInputError, match="lines; narrow it by time"):
            getattr(store, verb)(by="session")
        assert getattr(store, verb)(by="model")["data"]
