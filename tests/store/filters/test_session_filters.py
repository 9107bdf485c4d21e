"""Integration: sessions by status, by what was said, and by all filters at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import voice_call
from support.events import Call
from support.examples import examples
from support.filled import filled
from support.query_calls import (
    MODELS,
    calls,
    metadata_holds,
    moments,
    recorded,
    says,
)
from support.response_filters import TEXTS, conditions

from eventstore import EventStore, InvalidInputError
from eventstore.store.database.transaction import read
from eventstore.store.filters.filters import SessionFilter, SessionPaging, checked_filter
from eventstore.store.queries.session_pages import sessions_sql
from eventstore.verbs.queries import Queries

Json = dict[str, Any]

STATUSES = ("live", "ended", "interrupted", "errors")
RARELY_SAID = "zanzibar"


@pytest.fixture(params=["very often", "often", "not seldom", "seldom"])
def full(
    request: pytest.FixtureRequest, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> EventStore:
    """A store with sessions of each status and of two tenants; all is often there, or seldom."""
    if request.param != "seldom":
        monkeypatch.setattr("eventstore.store.filters.sql_conditions.MOST_COUNTED", 1)
        monkeypatch.setattr("eventstore.store.filters.session_conditions._FAILURES", 1)
    if request.param == "not seldom":
        monkeypatch.setattr(
            "eventstore.store.filters.sql_conditions.most_few",
            lambda tx: 1000 if tx.postgresql else 1,
        )
    if request.param == "very often":
        monkeypatch.setattr("eventstore.store.filters.sql_conditions._LISTED", 1)
    return filled(store, "of each status", _fill)


def _fill(store: EventStore) -> None:
    store.append("apart", Call().typed("item_1", "hello").frames)
    recorded(store)
    for number in range(3):
        call = voice_call().truncated("item_2", 100)
        call.typed("item_x", RARELY_SAID if number else "Where is my order?")
        store.append(f"cut_{number}", call.frames, close=number == 0)
    # What all the others said lies between what this one said.
    store.append("apart", Call().typed("item_late", "bye").frames)
    broken = Call().server("session.created", session={"id": "s"})
    broken.server("error", error={"type": "server_error", "message": "oh"})
    store.append("broken", broken.frames, close=True)
    for number, id_ in enumerate(ids(store)):
        store.set_metadata(id_, {"tenant": "anna" if number % 3 else "berta"})
        if number % 4 == 1:
            store.append(id_, [], close=True)


def ids(store: EventStore) -> list[str]:
    """All of the store, by their log."""
    return [*calls(), *(f"cut_{n}" for n in range(3)), "broken", "apart"]


class Known:
    """A session as folding its events gives it."""

    def __init__(self, store: EventStore, id_: str) -> None:
        shown = store.state(id_)
        self.id, self.notes = id_, shown["session"]["eventstore"]
        self.at = next(store.events(id_)).at or 0
        self.model = shown["session"].get("model")
        self.statuses = {response["status"] for response in shown["responses"]}
        items = [item for c in shown["conversations"] for item in c["items"]]
        items += [item for response in shown["responses"] for item in response["output"]]
        self.said = [
            " ".join(p.get("text") or p.get("transcript") or "" for p in item.get("content", ()))
            for item in items
        ]
        # What was cut off is not in the conversation, but it was said.
        self.said += [item.get("eventstore", {}).get("generated", "") for item in items]

    def has_status(self, status: str) -> bool:
        return {
            "live": not self.notes["closed"],
            "ended": self.notes["closed"],
            "interrupted": self.notes["interruptions"] > 0,
            "errors": self.notes["errors"] > 0 or bool({"failed", "incomplete"} & self.statuses),
        }[status]

    def holds(self, filters: Json) -> bool:
        pairs = list(self.notes["metadata"].items())
        tests = {
            "metadata": lambda value: all(metadata_holds(pairs, one) for one in value),
            "model": lambda value: self.model == value,
            "since": lambda value: self.at >= round(float(value) * 10**6),
            "until": lambda value: self.at < round(float(value) * 10**6),
            "status": self.has_status,
            "live": lambda value: not value or self.has_status("live"),
            "text": lambda value: says(self.said, value),
        }
        return all(tests[name](value) for name, value in filters.items())


_known: dict[str, list[Known]] = {}


def everything(store: EventStore) -> list[Known]:
    """All sessions of the store of these tests, oldest first; folded once on each database."""
    name = store.engine.dialect.name
    if name not in _known:
        found = (Known(store, id_) for id_ in ids(store))
        _known[name] = sorted(found, key=lambda one: (one.at, one.id))
    return _known[name]


def walked(queries: Queries, side: str, **options: Any) -> list[str]:
    """All of a list by its pages, from its begin or backwards from its end."""
    page = queries.sessions(**options)
    found = [one["id"] for one in page.data]
    if side == "before" and page.data:
        last = queries.sessions(**options | {"limit": 100}).data[-1]["id"]
        found, page = [last], queries.sessions(before=last, **options)
        while page.data:
            found = [one["id"] for one in page.data] + found
            if not page.has_more:
                break
            page = queries.sessions(before=page.first_id, **options)
        return found
    while page.has_more:
        page = queries.sessions(after=page.last_id, **options)
        found += [one["id"] for one in page.data]
    return found


def filters() -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(STATUSES),
            "text": TEXTS | st.just(RARELY_SAID),
            "metadata": st.lists(
                conditions() | st.sampled_from(("tenant=anna", "tenant", "tenant^=b")),
                min_size=1,
                max_size=2,
            ),
            "model": st.sampled_from([model for model in MODELS if model]),
            "since": moments(),
        },
    )


def test_any_mix_of_filters_finds_what_plain_python_finds(full: EventStore) -> None:
    known = everything(full)
    found_some = []

    @given(
        options=filters(),
        live=st.booleans(),
        limit=st.integers(1, 6),
        order=st.sampled_from(("asc", "desc")),
        side=st.sampled_from(("after", "before")),
        tenant=st.sampled_from((None, "anna", "berta")),
    )
    @examples(120)
    def check(
        options: Json, live: bool, limit: int, order: str, side: str, tenant: str | None
    ) -> None:
        scope = {"metadata": [f"tenant={tenant}"]} if tenant else {}
        wanted = [
            one.id for one in known if one.holds(options | {"live": live}) and one.holds(scope)
        ]
        queries = full.scoped("tenant", tenant) if tenant else full
        expected = wanted if order == "asc" else wanted[::-1]
        given_ = {"limit": limit, "order": order, "live": live}
        assert walked(queries, side, **options, **given_) == expected
        if not live:
            assert list(queries.session_ids(**options)) == wanted
        found_some.append(bool(wanted))

    check()
    assert any(found_some)


@pytest.mark.parametrize(
    "options",
    [
        *({"status": status} for status in STATUSES),
        {"text": "order"},
        {"text": '"my order"'},
        {"text": RARELY_SAID},
        {"text": "ord*", "status": "live"},
        {"text": "order", "metadata": ["tenant=anna"]},
        {"text": RARELY_SAID, "metadata": ["tenant=anna"]},
    ],
    ids=str,
)
def test_each_filter_tells_some_from_others(full: EventStore, options: Json) -> None:
    known = everything(full)
    wanted = [one.id for one in known if one.holds(options)]
    assert 0 < len(wanted) < len(known)
    assert walked(full, "after", order="asc", **options) == wanted
    anna = full.scoped("tenant", "anna")
    annas = [
        one.id for one in known if one.holds(options) and one.holds({"metadata": ["tenant=anna"]})
    ]
    assert walked(anna, "after", order="asc", **options) == annas


def test_responses_have_a_status_of_their_own(full: EventStore) -> None:
    assert full.responses(status="failed").data
    for status in STATUSES:
        with pytest.raises(InvalidInputError, match="status"):
            full.responses(status=status)
    for status in ("failed", "open", ""):
        with pytest.raises(InvalidInputError, match="status"):
            full.sessions(status=status)


def test_commands_that_choose_sessions_are_not_deaf_to_filters(store: EventStore) -> None:
    for filters_ in ({"status": "errors"}, {"text": "order"}):
        with pytest.raises(InvalidInputError):
            list(store.closed_sessions(**filters_))


@pytest.mark.parametrize("text", ["", "?!", "a\0b", "\udcff"])
def test_a_text_without_words_is_told(store: EventStore, text: str) -> None:
    with pytest.raises(InvalidInputError):
        store.sessions(text=text)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_common_words_are_not_gone_through_for_each_session(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.store.filters.sql_conditions.MOST_COUNTED", 1)
    recorded(store)
    wanted = checked_filter(SessionFilter, {"text": "order"})
    with read(store.engine) as tx:
        sql, parameters = sessions_sql(tx, wanted, SessionPaging())
        plan = "\n".join(row[3] for row in tx.rows(f"EXPLAIN QUERY PLAN {sql}", parameters))
    assert "SEARCH w USING PRIMARY KEY (session_id=?)" in plan
    assert "said_rows_docid" not in plan
