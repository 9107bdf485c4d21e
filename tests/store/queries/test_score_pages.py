"""Integration: pages by scores and metadata, and the models under which scores are summed."""

from __future__ import annotations

from typing import Any

import pytest
from support.events import Call

from eventstore import EventStore

Json = dict[str, Any]


def _call() -> Call:
    call = Call().server("session.created", session={"id": "s", "model": "gpt-realtime"})
    call.typed("item_1", "hello").answers("resp_1", "item_2", "hi")
    return call.typed("item_3", "and now?").answers("resp_2", "item_4", "bye")


def test_pages_by_scores_of_a_pair_of_metadata_are_in_the_order_of_time(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id_, customer in (("sess_a", "7"), ("sess_b", "8"), ("sess_c", "7")):
        store.append(id_, _call().frames)
        store.set_metadata(id_, {"customer": customer})
        for response in ("resp_1", "resp_2"):
            store.score(id_, "helpful", 0.25 * (id_ != "sess_c"), response=response)
    filters: Json = {"score": "helpful<0.5", "metadata": {"customer": "7"}}
    few = {order: list(store.responses(order=order, **filters)) for order in ("asc", "desc")}
    assert [len(found) for found in few.values()] == [4, 4] and few["asc"] == few["desc"][::-1]
    monkeypatch.setattr("eventstore.store.filters.sql_conditions.MOST_COUNTED", 0)
    for often in (20_000, 0):
        monkeypatch.setattr("eventstore.store.queries.ranked_responses._SELDOM", often)
        for order, found in few.items():
            ids = [one["id"] for one in found]
            first = store.responses(order=order, limit=3, **filters)
            assert [one["id"] for one in first] == ids[:3]
            rest = store.responses(order=order, after=first.last_id, **filters)
            assert [one["id"] for one in rest] == ids[3:]


def test_a_score_is_summed_under_the_model_that_is_told_later(store: EventStore) -> None:
    def models() -> list[tuple[str | None, int]]:
        return [(one["key"], one["count"]) for one in store.score_sums("model")["data"]]

    store.append("sess_a", [])
    store.score("sess_a", "helpful", 1, by="judge")
    assert models() == [(None, 1)]
    store.append("sess_a", _call().frames)
    assert models() == [("gpt-realtime", 1)]
    store.score("sess_a", "helpful", 1, item="item_2")
    updated = Call().server("session.updated", session={"id": "s", "model": "gpt-realtime-mini"})
    store.append("sess_a", updated.created("resp_3").frames)
    assert models() == [("gpt-realtime", 1), ("gpt-realtime-mini", 1)]
    store.score("sess_a", "helpful", 0, response="resp_3")
    assert models() == [("gpt-realtime", 1), ("gpt-realtime-mini", 2)]
    assert [one["count"] for one in store.score_sums(model="gpt-realtime")["data"]] == [1]
    assert [one.changed for one in store.rebuild(["sess_a"]).done] == [0]
