"""Integration: a subscription that nobody follows misses nothing when it is followed again."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice

import pytest
from support.calls import voice_call
from support.own_projections import unsettled

from eventstore import EventStore
from eventstore.common.pauses import Pause
from eventstore.store.consumers import news
from eventstore.store.database.transaction import write

FRAMES = voice_call().frames


def seqs(store: EventStore, name: str) -> dict[str, list[int]]:
    """What a subscription delivers now: the seqs by session."""
    found = defaultdict(list)
    with store.subscribe(name, once=True) as feed:
        for one in feed:
            found[one.session_id].append(one.seq)
    return found


def leave_out(store: EventStore, name: str) -> None:
    """Have a subscription be one that nobody has followed for long."""
    with write(store.engine) as tx:
        tx.run("UPDATE consumers SET seen_at = 0 WHERE name = ?", (name,))


def test_one_that_was_left_before_its_first_pass(store: EventStore) -> None:
    store.append("a", FRAMES[:3])
    assert seqs(store, "here") == {}  # it begins now, and settles the session
    while unsettled(store):
        seqs(store, "here")
    store.subscribe("away", from_="start").close()
    leave_out(store, "away")
    store.append("a", FRAMES[3:4])
    assert seqs(store, "here") == {"a": [4]}
    assert unsettled(store) == []
    assert seqs(store, "away") == {"a": [1, 2, 3, 4]}


def test_how_far_it_is_behind_is_told(store: EventStore) -> None:
    store.append("a", FRAMES[:3])
    store.append("c", FRAMES[:3])
    for name in ("away", "here"):
        seqs(store, name)
    leave_out(store, "away")
    store.append("a", FRAMES[3:5])
    store.append("b", FRAMES[:2])
    assert seqs(store, "here") == {"a": [4, 5], "b": [1, 2]}
    assert unsettled(store) == []
    assert {one["name"]: one["behind"] for one in store.subscriptions()} == {"away": 2, "here": 0}
    assert [one["failed"] for one in store.subscriptions()] == [0, 0]
    assert seqs(store, "away") == {"a": [4, 5], "b": [1, 2]}
    assert {one["behind"] for one in store.subscriptions()} == {0}


@pytest.mark.parametrize("from_", ["start", "now"])
def test_another_machine_whose_clock_is_ahead_hides_nothing(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, from_: str
) -> None:
    with store.subscribe("mine", from_=from_) as feed:
        steps = feed.steps()
        assert isinstance(next(steps), Pause)
        store.append("a", FRAMES[:3])
        ahead = news.now() + news.LEFT_OUT + 60_000_000
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(news, "now", lambda: ahead)
            store.subscribe("other", from_="start").close()
            assert seqs(store, "other") == {"a": [1, 2, 3]}
        assert unsettled(store) == []
        found = [step.seq for step in islice(steps, 4) if not isinstance(step, Pause)]
    assert found == [1, 2, 3]
