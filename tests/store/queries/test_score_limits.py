"""Integration: a score that would not be kept is refused, and huge numbers break no sums."""

from __future__ import annotations

import pytest
from support.calls import voice_call
from support.own_projections import NOTE

from eventstore import EventStore, InvalidInputError
from eventstore.realtime.resources import scores
from eventstore.store.usage.scores import score_room


def test_a_score_that_would_not_be_kept_is_refused(store: EventStore) -> None:
    store.append("a", voice_call().frames)
    response = store.responses(session="a").data[0]["id"]
    for number in range(scores.MAX_SCORES_OF_TARGET):
        store.score("a", "n", number, by=f"giver-{number}", response=response)
    with pytest.raises(InvalidInputError, match="has 32 scores"):
        store.score("a", "n", 1, by="one-more", response=response)
    assert store.score("a", "n", 0.5, by="giver-3", response=response)["value"] == 0.5
    store.score("a", "n", 1, by="one-more")
    store.score("a", "n", None, by="giver-3", response=response)
    store.score("a", "n", 1, by="one-more", response=response)
    assert len(store.scores("a")) == scores.MAX_SCORES_OF_TARGET + 1


def test_a_session_that_is_full_of_scores(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("a", [NOTE])
    monkeypatch.setattr(score_room, "MAX_SCORES", 2)
    monkeypatch.setattr(score_room, "MAX_SCORES_OF_TARGET", 2)
    store.append("a", voice_call().frames)
    for place, response in enumerate(store.responses(session="a").data):
        store.score("a", "n", place, response=response["id"])
    with pytest.raises(InvalidInputError, match="session a has 2 scores; take one back"):
        store.score("a", "n", 1)
