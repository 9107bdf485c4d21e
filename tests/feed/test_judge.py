"""Integration: a judge that follows the feed scores every call once, also if it is restarted."""

from __future__ import annotations

import itertools

from support.calls import voice_call

from eventstore import Delivery, EventStore

FRAMES = voice_call().frames


def test_a_judge_scores_every_call_once(store: EventStore) -> None:
    judged: list[str] = []
    numbers = itertools.count()

    def judge(delivery: Delivery) -> None:
        judged.append(delivery.session_id)
        said = [turn.text for turn in store.transcript(delivery.session_id)]
        store.score(delivery.session_id, "turns", len(said), by="judge")
        if next(numbers) == 3:
            feed.stop()  # it ends in the middle, and is started again

    for number in range(6):
        store.append(f"s{number}", FRAMES, close=number != 5)
    for _ in range(3):
        with store.subscribe("judge", of="sessions", from_="start", once=True) as feed:
            feed.run(judge)
    assert sorted(judged) == [f"s{number}" for number in range(5)]
    found = store.sessions(score="turns>0", limit=100).data
    assert sorted(one["id"] for one in found) == sorted(judged)
    assert store.scores("s5") == []
    for name in judged:
        (score,) = store.scores(name)
        assert (score["name"], score["by"]) == ("turns", "judge")
