"""A scoped store sees and counts the sessions of one pair of metadata, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest
from support.filled import filled
from support.only import only
from support.scoped_calls import call

from eventstore import EventStore
from eventstore.errors import EventStoreError, InvalidInputError, NotFoundError
from eventstore.store.filters.filters import ResponseFilter
from eventstore.verbs.queries import Queries


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        yield filled(opened, "tenants", _fill)


def _fill(store: EventStore) -> None:
    for number in range(3):
        for tenant in ("anna", "berta"):
            store.append(f"{tenant}_{number}", call(tenant, number).frames, close=number == 0)


@pytest.fixture
def anna(store: EventStore) -> Queries:
    return store.scoped("tenant", "anna")


def sessions_of(page: Any) -> set[str]:
    return {one.get("session_id") or one["eventstore"]["session_id"] for one in page.data}


ANNAS = {f"anna_{number}" for number in range(3)}


def test_lists_hold_its_own_alone(anna: Queries) -> None:
    assert {session["id"] for session in anna.sessions().data} == ANNAS
    assert {session["id"] for session in anna.sessions(live=True).data} == ANNAS - {"anna_0"}
    assert set(anna.session_ids()) == ANNAS
    assert list(anna.closed_sessions()) == ["anna_0"]
    for filters in (
        {},
        {"metadata": {"queue": "vip"}},
        {"metadata": {"tenant": "anna"}},
        {"metadata": {"tenant": "berta"}},  # what its own responses claim
        {"metadata": ["tenant!=nobody"]},
        {"text": "answer"},
        {"min_tokens": 1},
        {"conversation": "conv_1"},
    ):
        assert sessions_of(anna.responses(**filters)) <= ANNAS, filters
    assert len(anna.responses().data) == 3
    assert anna.responses(text="berta").data == []
    assert anna.responses(session="berta_1").data == []


def test_usage_counts_its_own_alone(anna: Queries, store: EventStore) -> None:
    assert store.usage()["total"]["responses"] == 6
    for by in (None, "session", "model", "day", "metadata:queue"):
        assert anna.usage(by)["total"]["responses"] == 3
    assert {line["key"] for line in anna.usage("session")["data"]} == ANNAS
    assert anna.usage(metadata={"queue": "vip"})["total"]["total_tokens"] == 9
    assert anna.usage(session="berta_0")["total"]["responses"] == 0
    assert anna.usage(text="asks")["total"]["responses"] == 3


VERBS: list[Callable[[Queries, str], Any]] = [
    lambda q, s: q.last_seq(s),
    lambda q, s: q.metadata(s),
    lambda q, s: list(q.export(s)),
    lambda q, s: list(q.replay(s)),
    lambda q, s: next(q.follow(s)),
    lambda q, s: q.reseed(s),
    lambda q, s: list(q.events(s)),
    lambda q, s: q.session(s),
    lambda q, s: q.state(s),
    lambda q, s: only(q.verify(s)),
    lambda q, s: q.response("resp_1", s),
    lambda q, s: q.conversation("conv_1", s),
    lambda q, s: q.sessions(after=s),
    lambda q, s: q.sessions(before=s),
    lambda q, s: q.responses(after=f"{s}/resp_1"),
]


@pytest.mark.parametrize("verb", range(len(VERBS)))
def test_others_sessions_do_not_exist(anna: Queries, store: EventStore, verb: int) -> None:
    VERBS[verb](anna, "anna_1")
    with pytest.raises(NotFoundError) as hidden:
        VERBS[verb](anna, "berta_1")
    store.erase("berta_1", vacuum=False).raise_for_errors()
    with pytest.raises(NotFoundError) as erased:
        VERBS[verb](anna, "berta_1")
    with pytest.raises(EventStoreError) as missing:
        VERBS[verb](anna, "nobody_")
    # Nothing tells what is another's from what is not there.
    said = str(missing.value).replace("nobody_", "berta_1")
    assert str(hidden.value) == str(erased.value) == said


def test_ids_that_others_use_too_are_its_own(store: EventStore) -> None:
    store.append("alone_1", call("clara", 1).frames)
    clara = store.scoped("tenant", "clara")
    assert clara.response("resp_1")["eventstore"]["session_id"] == "alone_1"
    assert clara.conversation("conv_1")["session_id"] == "alone_1"


def test_a_scope_is_a_pair_and_no_filter(store: EventStore) -> None:
    for key, value in (("", "x"), ("k" * 65, "x"), ("a\0", "x")):
        with pytest.raises(InvalidInputError):
            store.scoped(key, value)
    with pytest.raises(InvalidInputError, match=r"scoped\(\)"):
        store.responses(scope=None)
    assert "scope" in {one.name for one in fields(ResponseFilter)}


def test_pages_before_an_entry(store: EventStore) -> None:
    for verb in (store.sessions, store.responses):
        for order in ("asc", "desc"):
            whole = verb(limit=100, order=order)
            ids = [str(one) for one in whole.data]
            first, behind = verb(limit=2, order=order), verb(limit=4, order=order)
            last = verb(limit=100, order=order, after=behind.last_id)
            assert [str(one) for one in last.data] == ids[4:]
            back = verb(limit=3, order=order, before=last.first_id)
            assert [str(one) for one in back.data] == ids[1:4] and back.has_more
            begin = verb(limit=3, order=order, before=back.first_id)
            assert [str(one) for one in begin.data] == ids[:1] and not begin.has_more
            assert verb(before=first.first_id, order=order).data == []
            with pytest.raises(InvalidInputError, match="not both"):
                verb(after=first.last_id, before=last.first_id)


def test_cursors_tell_nothing_of_others(store: EventStore) -> None:
    store.append("alone_1", call("clara", 1).frames)
    clara = store.scoped("tenant", "clara").responses()
    assert (clara.first_id, clara.last_id) == ("resp_1", "resp_1")
    assert store.responses().first_id != "resp_1"
