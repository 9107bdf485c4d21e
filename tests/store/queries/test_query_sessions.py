"""Integration: sessions by metadata, model and time; a session whole, now and at any moment."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.events import Call, log_events
from support.examples import examples
from support.query_calls import (
    MODELS,
    VALUES,
    calls,
    metadata_holds,
    moments,
    recorded,
)
from support.response_filters import conditions

from eventstore import AmbiguousError, EventStore, InvalidInputError, NotFoundError
from eventstore.projection.fold import fold
from eventstore.projection.views import resources
from eventstore.projection.views.session_resource import session_resource
from eventstore.store.queries.pages import Page
from eventstore.store.queries.query_sessions import conversation_resources

Json = dict[str, Any]


def everything(store: EventStore, order: str = "desc") -> list[Json]:
    """All sessions as folding each one's events gives them, by the time of their first event."""
    shown = [(calls()[id_][0].at or 0, id_, store.state(id_)["session"]) for id_ in calls()]
    return [session for *_, session in sorted(shown, reverse=order == "desc")]


def pages(store: EventStore, limit: int = 100, **options: Any) -> list[Page]:
    found = [store.sessions(limit=limit, **options)]
    while found[-1].has_more:
        assert len(found) <= len(calls())
        found.append(store.sessions(limit=limit, **options | {"after": found[-1].last_id}))
    return found


def listed(store: EventStore, **options: Any) -> list[str]:
    return [entry["id"] for page in pages(store, **options) for entry in page.data]


def holds(session: Json, filters: dict[str, Any]) -> bool:
    """Whether a session passes filters, in plain Python."""
    at = calls()[session["id"]][0].at or 0
    pairs = list(session["eventstore"]["metadata"].items())
    tests = {
        "metadata": lambda value: all(metadata_holds(pairs, condition) for condition in value),
        "model": lambda value: session.get("model") == value,
        "since": lambda value: at >= round(float(value) * 10**6),
        "until": lambda value: at < round(float(value) * 10**6),
    }
    return all(tests[name](value) for name, value in filters.items())


def wanted(sessions: list[Json], **options: Any) -> list[str]:
    return [session["id"] for session in sessions if holds(session, options)]


def filters() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "metadata": st.lists(conditions(), min_size=1, max_size=3),
            "model": st.sampled_from([model for model in MODELS if model] + ["unheard of"]),
            "since": moments(),
            "until": moments(),
        },
    )


def test_what_is_listed_is_the_resource(store: EventStore) -> None:
    found = [entry for page in pages(recorded(store)) for entry in page.data]
    assert found == everything(store)
    assert found == [store.session(entry["id"]) for entry in found]


def test_each_filter_alone_finds_what_plain_python_finds(store: EventStore) -> None:
    known = everything(recorded(store))
    single: list[dict[str, Any]] = [{"model": model} for model in MODELS if model]
    for value in VALUES:
        single += ({"metadata": [f"topic{operator}{value}"]} for operator in ("=", "!=", "^="))
    single += ({"metadata": [key]} for key in ("topic", "customer", "unheard of"))
    found = {str(options): listed(store, **options) for options in single}
    assert found == {str(options): wanted(known, **options) for options in single}
    assert sum(0 < len(entry) < len(known) for entry in found.values()) > len(single) / 3


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_any_mix_of_filters_finds_what_plain_python_finds(store: EventStore, order: Any) -> None:
    known = everything(recorded(store), order)

    @given(options=filters(), limit=st.integers(1, 5))
    @examples(80)
    def check(options: dict[str, Any], limit: int) -> None:
        assert listed(store, limit=limit, order=order, **options) == wanted(known, **options)

    check()


def test_pages_say_where_they_are(store: EventStore) -> None:
    found = pages(recorded(store), limit=5)
    assert [page.has_more for page in found] == [True] * (len(found) - 1) + [False]
    for page in found:
        assert (page.first_id, page.last_id) == (page.data[0]["id"], page.data[-1]["id"])
    assert store.sessions(model="unheard of") == Page([], None, None, False)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_neither_skip_nor_repeat_while_sessions_are_added(
    store: EventStore, order: Any
) -> None:
    before = listed(recorded(store), order=order)
    found: list[str] = []
    after, added = None, 0
    while True:
        page = store.sessions(limit=2, order=order, after=after)
        assert page.last_id != after
        found += [entry["id"] for entry in page.data]
        after = page.last_id
        if not page.has_more:
            break
        added += 1
        call = Call()
        call.ms = (added * 7919) % 60_000 - 1000
        store.append(f"new_{added}", call.created("resp_1").frames)
    assert added > 4
    assert len(set(found)) == len(found)
    assert [id_ for id_ in found if id_ in before] == before


def test_sessions_without_times_are_listed_by_when_they_came(store: EventStore) -> None:
    for name in ("b", "a", "c"):
        store.append(name, [frame._replace(at=None) for frame in Call().created("r").frames])
    assert listed(store) == ["c", "a", "b"]
    assert listed(store, order="asc", limit=1) == ["b", "a", "c"]
    assert listed(store, since="2024-01-01") == ["c", "a", "b"]


def test_metadata_of_responses_is_not_their_sessions(store: EventStore) -> None:
    store.append("sess", Call().created("resp_1", metadata={"topic": "a"}).frames)
    assert listed(store, metadata=["topic=a"]) == []


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"limit": 101}, {"order": "up"}, {"since": "noon"}, {"status": "x"}]
)
def test_a_bad_filter_is_told(store: EventStore, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        store.sessions(**options)


def test_a_cursor_that_names_nothing_is_an_error(store: EventStore) -> None:
    with pytest.raises(NotFoundError, match="no session nowhere"):
        store.sessions(after="nowhere")


# One of them

CALLS = {"voice": voice_call, "tools": beta_tool_call, "cut off": cut_off_call}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_show_at_a_seq_is_the_fold_of_the_events_up_to_it(store: EventStore, call: Any) -> None:
    frames = call().frames
    store.append("sess", frames)
    for seq in range(1, len(frames) + 1):
        shown = store.state("sess", seq)
        state = fold("sess", log_events(frames[:seq]))
        assert shown["session"] == session_resource(state)
        assert shown["conversations"] == conversation_resources(state)
        responses = [resources.response_resource(state, r) for r in state.responses.values()]
        assert shown["responses"] == responses
        assert shown["usage"]["responses"] == sum(r["eventstore"]["finished"] for r in responses)


def test_before_the_first_event_nothing_is_known(store: EventStore) -> None:
    store.append("sess", voice_call().frames)
    assert store.state("sess", 0)["session"] == session_resource(fold("sess", []))


def test_show_at_the_last_seq_is_show(store: EventStore) -> None:
    frames = voice_call().frames
    store.append("sess", frames)
    whole = store.state("sess")
    for at in (len(frames), str(len(frames)), 10**9, "+1000000", "+1e9"):
        assert store.state("sess", at) == whole


@pytest.mark.parametrize("seconds", ["0", "0.0005", "0.01", "0.2", "1.5"])
def test_show_at_seconds_is_the_state_of_that_moment(store: EventStore, seconds: str) -> None:
    frames = voice_call().frames
    store.append("sess", frames)
    end = (frames[0].at or 0) + float(seconds) * 10**6
    seq = sum((frame.at or 0) <= end for frame in frames)
    assert store.state("sess", f"+{seconds}") == store.state("sess", seq)


def test_show_at_seconds_goes_by_the_order_of_events(store: EventStore) -> None:
    """An event that seems older than those before it did not happen before them."""
    frames = voice_call().frames
    frames[5] = frames[5]._replace(at=frames[0].at)
    store.append("sess", frames)
    assert store.state("sess", "+0") == store.state("sess", 1)


@pytest.mark.parametrize("at", ["", "x", "-1", "1.5", "+", "+x", "+nan", "+inf", "٣x"])
def test_a_bad_moment_is_told(store: EventStore, at: str) -> None:
    store.append("sess", voice_call().frames)
    with pytest.raises(InvalidInputError, match=r"use a seq \(120\) or \+SECONDS"):
        store.state("sess", at)


def test_seconds_of_a_session_without_times_are_told(store: EventStore) -> None:
    store.append("sess", [frame._replace(at=None) for frame in voice_call().frames])
    with pytest.raises(InvalidInputError, match="without times; use a seq"):
        store.state("sess", "+1")


@pytest.mark.parametrize("verb", ["state", "session", "events", "export", "replay", "last_seq"])
def test_a_missing_session_is_an_error(store: EventStore, verb: str) -> None:
    with pytest.raises(NotFoundError, match="no session nowhere"):
        getattr(store, verb)("nowhere")


def test_a_conversation_has_its_items_in_order(store: EventStore) -> None:
    call = voice_call()
    store.append("sess", call.frames)
    conversation = store.conversation("conv_1")
    assert [item["id"] for item in conversation["items"]] == call.order()
    assert conversation["session_id"] == "sess"
    (shown,) = store.state("sess")["conversations"]
    assert conversation["items"] == shown["items"]


def test_a_conversation_of_several_sessions_is_ambiguous(store: EventStore) -> None:
    for name in ("a", "b"):
        store.append(name, voice_call().frames)
    with pytest.raises(AmbiguousError, match=r"\(a, b\); name the session"):
        store.conversation("conv_1")
    assert store.conversation("conv_1", "b")["session_id"] == "b"
    with pytest.raises(NotFoundError):
        store.conversation("conv_1", "c")
    with pytest.raises(NotFoundError):
        store.conversation("conv_2")
