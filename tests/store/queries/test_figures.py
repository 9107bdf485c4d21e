"""Integration: lists that are chosen and sorted by figures are those of plain Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import Json
from support.examples import examples
from support.figure_calls import (
    CODES,
    LANGUAGES,
    MODELS,
    ORDERS,
    TOOLS,
    UNKNOWN,
    Figures,
    figure_calls,
    in_order,
    known_responses,
    known_sessions,
    record,
)
from support.filled import filled

from eventstore import EventStore, InvalidInputError, NotFoundError
from eventstore.store.queries.pages import Page

SORTS = ("started", "duration", "cost", "latency", "turns", "interruptions")
OF_RESPONSES = ("created", "duration", "latency", "tokens")
SECONDS = (0, 0.001, 0.007, 0.02, 0.5, 0.9, 2)
NUMBERS = (0, 1, 2, 3, 9)

SESSION_FILTERS: dict[str, tuple[Any, ...]] = {
    "tool": (*TOOLS, "unheard of"),
    "reason": CODES,
    "language": LANGUAGES,
    "protocol": ("live", "realtime"),
    "min_duration": SECONDS,
    "max_duration": SECONDS,
    "min_latency": SECONDS,
    "min_cost": (0, 0.001, 0.002, 0.5),
    "min_turns": NUMBERS,
    "min_interruptions": NUMBERS,
    "model": MODELS,
    "metadata": (["tenant=anna"], ["tenant=berta"]),
}
RESPONSE_FILTERS: dict[str, tuple[Any, ...]] = {
    "tool": (*TOOLS, "unheard of"),
    "language": LANGUAGES,
    "kind": ("spoken", "delegated"),
    "reason": CODES,
    "min_latency": SECONDS,
    "min_duration": SECONDS,
    "min_tokens": (0, 1, 65, 66, 120, 121),
    "model": MODELS,
    "status": ("completed", "cancelled", "in_progress"),
    "metadata": (["tenant=anna"], ["tenant=berta"]),
}


@pytest.fixture(params=["priced", "not priced", "priced before", "led"])
def full(
    request: pytest.FixtureRequest, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> EventStore:
    """A store whose sessions have costs, none yet, or some that are of before."""
    if request.param != "led":
        monkeypatch.setattr("eventstore.store.filters.sql_conditions.MOST_COUNTED", 3)
    # Lengths of these calls are then on many steps, and of several calls on one.
    monkeypatch.setattr("eventstore.projection.figures._LEAST_BITS", 16)

    def fill(store: EventStore) -> None:
        calls = figure_calls()
        if request.param == "priced before":
            record(store, dict(list(calls.items())[:9]))
            assert len(store.price_sessions().done) == 9
            calls = dict(list(calls.items())[9:])
        record(store, calls)
        if request.param == "priced":
            assert len(store.price_sessions().done) == len(calls)
            assert store.price_sessions().done == []

    return filled(store, "figures", fill, request.param)


def filters(known: dict[str, tuple[Any, ...]]) -> st.SearchStrategy[Json]:
    some = {name: st.sampled_from(values) for name, values in known.items()}
    return st.lists(st.sampled_from(sorted(some)), max_size=2, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: some[name] for name in names})
    )


def walked(
    ask: Callable[..., Page],
    ids: Callable[[Page], list[tuple[str, ...]]],
    side: str,
    **options: Any,
) -> list[tuple[str, ...]]:
    """All of a list by its pages, from its begin or backwards from its end."""
    page = ask(**options)
    found = ids(page)
    if side == "before" and page.data:
        last = ids(ask(**options | {"limit": 100}))[-1]
        found, page = [last], ask(before="/".join(last), **options)
        while page.data:
            found = ids(page) + found
            if not page.has_more:
                break
            page = ask(before=page.first_id, **options)
        return found
    while page.has_more:
        page = ask(after=page.last_id, **options)
        found += ids(page)
    return found


def ids_of_sessions(page: Page) -> list[tuple[str, ...]]:
    return [(one["id"],) for one in page.data]


def ids_of_responses(page: Page) -> list[tuple[str, ...]]:
    return [(one["eventstore"]["session_id"], one["id"]) for one in page.data]


def check(
    full: EventStore, known: list[Figures], verb: str, sorts: tuple[str, ...], names: dict[str, Any]
) -> None:
    ids = ids_of_sessions if verb == "sessions" else ids_of_responses
    found_some = Counter[bool]()

    @given(
        options=filters(names),
        sort=st.sampled_from(sorts),
        order=st.sampled_from(ORDERS),
        limit=st.integers(1, 7),
        side=st.sampled_from(("after", "before")),
        tenant=st.sampled_from((None, None, "anna", "berta")),
    )
    @examples(150)
    def holds(
        options: Json, sort: str, order: str, limit: int, side: str, tenant: str | None
    ) -> None:
        scope = {"metadata": [f"tenant={tenant}"]} if tenant else {}
        wanted = [one for one in known if one.holds(options) and one.holds(scope)]
        queries = full.scoped("tenant", tenant) if tenant else full
        given_ = {"sort": sort, "order": order, "limit": limit}
        found = walked(getattr(queries, verb), ids, side, **options, **given_)
        assert found == [one.key for one in in_order(wanted, sort, order)]
        found_some[bool(wanted)] += 1

    holds()
    # As many as 20 of 150, however many examples were tried.
    assert found_some[True] * 150 > 20 * found_some.total()


def test_sessions_are_those_that_plain_python_finds(full: EventStore) -> None:
    known = known_sessions(full, figure_calls())
    check(full, known, "sessions", SORTS, SESSION_FILTERS)


def test_responses_are_those_that_plain_python_finds(full: EventStore) -> None:
    known = known_responses(full, figure_calls())
    check(full, known, "responses", OF_RESPONSES, RESPONSE_FILTERS)


def test_the_calls_hold_every_case(store: EventStore) -> None:
    calls = figure_calls()
    record(store, calls)
    for known, sorts, names in (
        (known_sessions(store, calls), SORTS, SESSION_FILTERS),
        (known_responses(store, calls), OF_RESPONSES, RESPONSE_FILTERS),
    ):
        for sort in sorts[1:]:
            values = Counter(one.figures[sort] for one in known)
            assert len(values) > 2 and max(values.values()) > 1, sort
        assert {one.figures["latency"] for one in known} > {UNKNOWN}
        assert {one.figures["duration"] for one in known} > {UNKNOWN}
        for name, values_ in names.items():
            telling = [sum(one.holds({name: value}) for one in known) for value in values_]
            assert any(0 < number < len(known) for number in telling), name
        assert len({one.at for one in known}) < len(known)


@pytest.mark.parametrize("sort", SORTS)
def test_a_page_goes_on_where_the_cursor_is_now(store: EventStore, sort: str) -> None:
    calls = figure_calls()
    record(store, calls)
    page = store.sessions(sort=sort, limit=5)
    record(store, {"late": next(iter(calls.values()))})
    behind = store.sessions(sort=sort, limit=100, after=page.last_id)
    listed = [id_ for id_ in ids_of_sessions(behind) if id_ != ("late",)]
    assert not set(listed) & set(ids_of_sessions(page))
    assert len(listed) + len(page.data) == len(calls)


def test_lengths_of_open_sessions_go_on_with_audio(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.projection.figures._LEAST_BITS", 14)
    calls = {id_: call for id_, (call, _) in figure_calls().items() if call.frames[0].at}
    for id_, call in calls.items():
        store.append(id_, call.frames)
    chance = random.Random(2)
    for _ in range(60):
        id_ = chance.choice(list(calls))
        call = calls[id_].client("input_audio_buffer.append", after=37, audio="AAAA")
        store.append(id_, call.frames[-1:])
    listed = store.sessions(limit=100).data
    lengths = {(one["id"],): one["eventstore"]["duration_ms"] for one in listed}
    found = walked(store.sessions, ids_of_sessions, "after", sort="duration", limit=3)
    assert [lengths[key] for key in found] == sorted(lengths.values(), reverse=True)
    assert all(done.changed == 0 for done in store.rebuild().done)


def test_no_session_is_missed_that_goes_on_before_it_is_projected(
    store: EventStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.projection.figures._LEAST_BITS", 14)
    calls = figure_calls()
    record(store, calls)
    with EventStore(database_url, projection="deferred") as log:
        for number, (id_, (call, closes)) in enumerate(calls.items()):
            call.client("input_audio_buffer.append", after=number * 99 % 1000, audio="AAAA")
            if not closes:
                log.append(id_, call.frames[-1:])
    for order in ORDERS:
        options = {"sort": "duration", "order": order, "limit": 3}
        found = walked(store.sessions, ids_of_sessions, "after", **options)
        assert sorted(found) == sorted((id_,) for id_ in calls)


def test_a_cursor_of_another_tenant_is_none(store: EventStore) -> None:
    record(store, figure_calls())
    (other,) = store.sessions(metadata=["tenant=berta"], limit=1).data
    with pytest.raises(NotFoundError):
        store.scoped("tenant", "anna").sessions(sort="turns", after=other["id"])


def test_what_is_billed_later_is_priced_again(store: EventStore) -> None:
    calls = figure_calls()
    record(store, calls)
    store.price_sessions().raise_for_errors()
    id_ = store.sessions(sort="cost", limit=1).data[0]["id"]
    store.rebuild([id_])
    more = figure_calls(40)
    extra = next(
        call for n, (call, _) in enumerate(more.values()) if n > 30 and len(call.frames) > 9
    )
    going_on = next(id_ for id_, (_, closes) in calls.items() if not closes)
    for frame in extra.frames:
        store.price_sessions().raise_for_errors()
        store.append(going_on, [frame])
    known = known_sessions(store, calls)
    found = walked(store.sessions, ids_of_sessions, "after", sort="cost", limit=3)
    assert found == [one.key for one in in_order(known, "cost", "desc")]
    assert len(store.price_sessions().done) <= 1


def test_too_many_without_a_cost_are_told(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.store.usage.session_costs.MOST_PENDING", 5)
    monkeypatch.setattr("eventstore.store.usage.session_costs.PRICING_SECONDS", -1)
    monkeypatch.setattr("eventstore.store.usage.session_costs._BATCH", 1)
    record(store, figure_calls())
    for asked in ({"sort": "cost"}, {"min_cost": 0.01}):
        with pytest.raises(InvalidInputError, match="run once: eventstore project"):
            store.sessions(**asked)
    assert store.sessions(sort="turns").data
    store.price_sessions().raise_for_errors()
    assert store.sessions(sort="cost").data


def test_new_sessions_are_priced_by_who_asks_first(
    store: EventStore, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.store.usage.session_costs.MOST_PENDING", 5)
    monkeypatch.setattr("eventstore.store.usage.session_costs._BATCH", 3)
    calls = figure_calls()
    record(store, calls)
    known = known_sessions(store, calls)
    found = walked(store.sessions, ids_of_sessions, "after", sort="cost", limit=9)
    assert found == [one.key for one in in_order(known, "cost", "desc")]
    assert store.price_sessions().done == []
    dear = [one.key[0] for one in known if one.holds({"min_cost": 0.001})]
    assert sorted(store.session_ids(min_cost=0.001)) == sorted(dear)
    # By other prices they are not new: what others ask by stays.
    refused = pytest.raises(InvalidInputError, match="run once: eventstore project")
    with EventStore(database_url, prices=own_prices(tmp_path)) as own, refused:
        own.sessions(sort="cost")
    assert store.price_sessions().done == []


def own_prices(folder: Path) -> Path:
    """A file of other prices than those that are published."""
    prices = folder / "prices.toml"
    prices.write_text('[[price]]\nmodel = "unheard-of"\ninput_text = 9\noutput_text = 9\n')
    return prices


def test_costs_of_other_prices_are_never_taken(
    store: EventStore, database_url: str, tmp_path: Path
) -> None:
    calls = figure_calls()
    record(store, calls)
    store.price_sessions().raise_for_errors()
    with EventStore(database_url, prices=own_prices(tmp_path)) as own:
        known = known_sessions(own, calls)
        for wanted in ("desc", "asc"):
            found = walked(
                own.sessions, ids_of_sessions, "after", sort="cost", order=wanted, limit=9
            )
            assert found == [one.key for one in in_order(known, "cost", wanted)]
        assert known != known_sessions(store, calls)
        assert len(own.price_sessions().done) == len(calls)
    assert len(store.price_sessions().done) == len(calls)


@pytest.mark.parametrize(
    "filters_",
    [
        *({name: -1} for name in SESSION_FILTERS if name.startswith(("min", "max"))),
        *({name: "x"} for name in SESSION_FILTERS if name.startswith(("min", "max"))),
        *({name: float("nan")} for name in ("min_cost", "min_latency")),
        *({name: float("inf")} for name in ("min_cost", "min_latency")),
        {"tool": "a\0b"},
        {"sort": "created"},
        {"sort": ""},
        {"protocol": "beta", "kind": "thought"},
    ],
    ids=str,
)
def test_a_bad_filter_is_told(store: EventStore, filters_: Json) -> None:
    with pytest.raises(InvalidInputError):
        store.sessions(**filters_)
    with pytest.raises(InvalidInputError):
        store.responses(**filters_ | ({"sort": "cost"} if "sort" in filters_ else {}))


def test_erased_sessions_leave_nothing(store: EventStore) -> None:
    calls = figure_calls()
    record(store, calls)
    store.price_sessions().raise_for_errors()
    store.erase(list(calls), vacuum=False).raise_for_errors()
    with store.engine.connect() as connection:
        for table in ("session_figures", "session_facets", "response_facets", "session_costs"):
            assert not connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall(), table
    for sort in SORTS:
        assert not store.sessions(sort=sort).data


def test_a_rebuild_makes_what_was_damaged(store: EventStore) -> None:
    calls = figure_calls()
    record(store, calls)
    expected = {sort: ids_of_sessions(store.sessions(sort=sort, limit=100)) for sort in SORTS}
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE session_figures SET turns = 7, duration_us = 3")
        connection.exec_driver_sql("DELETE FROM session_costs")
        connection.exec_driver_sql("DELETE FROM session_facets")
    assert sum(done.changed > 0 for done in store.rebuild().done) == len(calls)
    assert {s: ids_of_sessions(store.sessions(sort=s, limit=100)) for s in SORTS} == expected
    assert store.sessions(tool=TOOLS[0]).data
