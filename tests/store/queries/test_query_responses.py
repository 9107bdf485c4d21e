"""Integration: responses by any mix of filters, in pages that neither skip nor repeat."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import Call
from support.examples import examples
from support.query_calls import (
    KEYS,
    MODELS,
    SAME,
    SENTENCES,
    STATUSES,
    VALUES,
    VOICES,
    Known,
    everything,
    holds,
    recorded,
    seconds,
)
from support.response_filters import _KEYS, filters

from eventstore import AmbiguousError, EventStore, EventStoreError, InvalidInputError, NotFoundError
from eventstore.store.queries.pages import Page

Id = tuple[str, str]

# Filters


def ids(page: Page) -> list[Id]:
    return [(entry["eventstore"]["session_id"], entry["id"]) for entry in page.data]


def pages(store: EventStore, limit: int = 100, **options: Any) -> Iterator[Page]:
    """All pages of a list."""
    page = store.responses(limit=limit, **options)
    yield page
    cursors = set()
    while page.has_more:
        assert page.data and page.last_id not in cursors
        cursors.add(page.last_id)
        page = store.responses(limit=limit, **options | {"after": page.last_id})
        yield page


def listed(store: EventStore, **options: Any) -> list[Id]:
    """All of a list, page by page."""
    return [id_ for page in pages(store, **options) for id_ in ids(page)]


def wanted(known: list[Known], **options: Any) -> list[Id]:
    return [(entry.session_id, entry.id) for entry in known if holds(entry, options)]


def test_without_filters_all_are_listed_newest_first(store: EventStore) -> None:
    assert listed(recorded(store)) == wanted(everything(store))


def test_what_is_listed_is_the_resource(store: EventStore) -> None:
    listed_ones = [entry for page in pages(recorded(store)) for entry in page.data]
    assert listed_ones == [known.resource for known in everything(store)]


SINGLE: list[dict[str, Any]] = [
    *({"status": status} for status in sorted(set(STATUSES))),
    *({"model": model} for model in MODELS if model),
    *({"voice": voice} for voice in VOICES),
    *({"reason": reason} for reason in ("client_cancelled", "insufficient_quota")),
    {"modality": "audio"},
    {"modality": "text"},
    {"conversation": "conv_1"},
    {"session": "sess_03"},
    {"min_tokens": 0},
    {"min_tokens": 1},
    {"min_tokens": 1500},
    {"text": "order"},
    *({"metadata": [f"topic={value}"]} for value in VALUES),
    *({"metadata": [f"topic^={value[:1]}"]} for value in VALUES),
    *({"metadata": [f"topic!={value}"]} for value in VALUES),
    *({"metadata": [key]} for key in _KEYS),
    {"metadata": ["topic!=", "topic"]},
    {"metadata": ["topic", "customer"]},
    {"metadata": ["topic^=de", "topic!=delay"]},
]


def test_each_filter_alone_finds_what_plain_python_finds(store: EventStore) -> None:
    known = everything(recorded(store))
    found = {str(options): listed(store, **options) for options in SINGLE}
    assert found == {str(options): wanted(known, **options) for options in SINGLE}
    # Most of them must tell something from something else, or this shows nothing.
    telling = [entry for entry in found.values() if 0 < len(entry) < len(known)]
    assert len(telling) > len(SINGLE) * 0.7


@pytest.mark.parametrize("probe", [(1, 1), (1, 1000), (1000, 1000)])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_any_mix_of_filters_finds_what_plain_python_finds(
    store: EventStore, order: Any, probe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, few = probe
    monkeypatch.setattr("eventstore.store.filters.sql_conditions.MOST_COUNTED", counted)
    monkeypatch.setattr(
        "eventstore.store.filters.sql_conditions.most_few",
        lambda tx: few if tx.postgresql else counted,
    )
    known = everything(recorded(store), order)

    @given(options=filters(), limit=st.integers(1, 9))
    @examples(120)
    def check(options: dict[str, Any], limit: int) -> None:
        if "session" in options:
            limit = 100  # see test_a_list_of_one_session_has_pages_too
        assert listed(store, limit=limit, order=order, **options) == wanted(known, **options)

    check()


def test_times_are_bounds_since_included_until_not(store: EventStore) -> None:
    known = everything(recorded(store))
    for entry in known[::5]:
        at = seconds(entry.at)
        assert listed(store, since=at) == wanted(known, since=at)
        assert listed(store, until=at) == wanted(known, until=at)
        assert (entry.session_id, entry.id) in listed(store, since=at)
        assert (entry.session_id, entry.id) not in listed(store, until=at)


def test_times_may_be_iso_8601(store: EventStore) -> None:
    recorded(store)
    # START is 2023-11-14T22:13:20Z.
    assert listed(store, since="2023-11-14T22:13:20Z") == listed(store)
    assert listed(store, until="2023-11-15T00:13:20+02:00") == []
    assert listed(store, since="2023-11-18") == []


def test_metadata_may_be_a_mapping_of_values(store: EventStore) -> None:
    known = everything(recorded(store))
    for key in KEYS:
        for value in VALUES:
            expected = [
                (entry.session_id, entry.id)
                for entry in known
                if value in ((entry.resource["metadata"] or {}).get(key), *_of_session(entry, key))
            ]
            assert listed(store, metadata={key: value}) == expected


def _of_session(entry: Known, key: str) -> list[str]:
    return [value for name, value in entry.session_metadata.items() if name == key]


def test_a_sessions_metadata_counts_for_its_responses_and_their_own_too(store: EventStore) -> None:
    call = Call().store("opened", metadata={"customer": "42", "topic": "a"})
    call.server("session.created", session={"id": "s"})
    call.created("resp_1", metadata={"topic": "b"}).created("resp_2")
    store.append("sess", call.frames)
    both = [("sess", "resp_2"), ("sess", "resp_1")]
    assert listed(store, metadata=["customer=42"]) == both
    assert listed(store, metadata=["topic=a"]) == both
    assert listed(store, metadata=["topic=b"]) == both[1:]
    assert listed(store, metadata=["topic=a", "topic=b"]) == both[1:]
    assert listed(store, metadata=["topic!=b"]) == both[:1]
    # Set later, it counts for responses that were there before; another value replaces it.
    store.set_metadata("sess", {"topic": "c", "tier": "gold"})
    assert listed(store, metadata=["tier=gold", "topic=c"]) == both
    assert listed(store, metadata=["topic=a"]) == []
    assert listed(store, metadata=["topic=b"]) == both[1:]


BESIDE = (
    "3",
    "4",
    "40",
    "4\U0010ffff",
    "5",
    "6",
    "c",
    "d",
    "dz",
    "e",
    "\ud7ff",
    "\ue000",
    "\ue001",
)


def test_a_prefix_takes_what_begins_so_and_nothing_beside_it(store: EventStore) -> None:
    call = Call()
    for place, value in enumerate(BESIDE):
        call.created(f"resp_{place}", metadata={"topic": value})
    store.append("sess", call.frames)
    for prefix in BESIDE:
        found = {BESIDE[int(id_.removeprefix("resp_"))] for _, id_ in _beginning(store, prefix)}
        assert found == {value for value in BESIDE if value.startswith(prefix)}


def _beginning(store: EventStore, prefix: str) -> list[Id]:
    return listed(store, metadata=[f"topic^={prefix}"])


def test_metadata_that_was_unset_counts_no_more(store: EventStore) -> None:
    call = Call().store("opened", metadata={"customer": "42"}).created("resp_1")
    store.append("sess", call.frames)
    store.append("sess", Call().store("metadata", metadata={"customer": None}).frames)
    assert listed(store, metadata=["customer"]) == []
    assert listed(store, metadata=["customer!=42"]) == [("sess", "resp_1")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"order": "up"}, "order"),
        ({"status": "done"}, "status"),
        ({"modality": "video"}, "modality"),
        ({"min_tokens": -1}, "min_tokens"),
        ({"since": "yesterday"}, "no time"),
        ({"until": "2023-13-01"}, "no time"),
        ({"until": float("nan")}, "no time"),
        ({"metadata": ["=42"]}, "K=V"),
        ({"metadata": ["!=42"]}, "K=V"),
        ({"metadata": [""]}, "K=V"),
        ({"metadata": ["k" * 65]}, "1 to 64"),
        ({"metadata": ["k=" + "v" * 513]}, "at most 512"),
        ({"metadata": ["k=a\0b"]}, "K=V"),
        ({"text": ""}, "names no word"),
        ({"text": " ?! "}, "names no word"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_a_bad_filter_is_told_in_one_line(
    store: EventStore, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        store.responses(**options)
    assert said in str(refused.value) and "\n" not in str(refused.value)


SURROGATES: list[dict[str, Any]] = [
    {"conversation": "\udcff"},
    {"model": "\udcff"},
    {"session": "\udcff"},
    {"metadata": ["\udcff=1"]},
    {"metadata": {"k": "\udcff"}},
    {"text": "a\udcff"},
]


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": {"k" * 65: "v"}},
        {"metadata": {"": "v"}},
        {"metadata": {"k": "a\0b"}},
        {"model": "a\0b"},
        {"session": "a\0b"},
        {"text": "a\0b"},
        *SURROGATES,
    ],
    ids=ascii,
)
@pytest.mark.parametrize("verb", ["responses", "usage"])
def test_text_that_no_database_takes_finds_nothing_or_is_a_bad_filter(
    store: EventStore, verb: str, options: dict[str, Any]
) -> None:
    store.append("sess", Call().created("resp_1").done("resp_1").frames)
    try:
        found = getattr(store, verb)(**options)
    except EventStoreError:
        return
    assert found["total"]["responses"] == 0 if verb == "usage" else found.data == []


# Pages


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_say_where_they_are(store: EventStore, order: Any, limit: int) -> None:
    expected = wanted(everything(recorded(store), order))
    found = list(pages(store, limit=limit, order=order))
    assert [id_ for page in found for id_ in ids(page)] == expected
    assert [page.has_more for page in found] == [True] * (len(found) - 1) + [False]
    for page in found:
        assert len(page.data) <= limit
        assert page.first_id is not None and page.first_id.endswith(page.data[0]["id"])
        assert page.last_id is not None and page.last_id.endswith(page.data[-1]["id"])
        assert page.as_list() == {
            "object": "list",
            "data": page.data,
            "first_id": page.first_id,
            "last_id": page.last_id,
            "has_more": page.has_more,
        }


def test_a_page_of_exactly_all_says_that_no_more_follow(store: EventStore) -> None:
    call = Call().created("resp_1").created("resp_2")
    store.append("sess", call.frames)
    assert not store.responses(limit=2).has_more
    assert store.responses(limit=1).has_more


def test_an_empty_list_has_no_ids(store: EventStore) -> None:
    assert store.responses() == Page([], None, None, False)
    assert store.responses(metadata=["customer=42"]) == Page([], None, None, False)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    "options", [{}, {"metadata": ["customer"]}, {"metadata": ["topic=a", "customer^=4"]}], ids=str
)
def test_pages_neither_skip_nor_repeat_while_responses_are_added(
    store: EventStore, order: Any, options: dict[str, Any]
) -> None:
    chance = random.Random(3)
    for number in range(6):
        _add(store, f"sess_{number}", number * 1000, number)
    before = listed(store, order=order, **options)
    found: list[Id] = []
    after, added = None, 0
    while True:
        page = store.responses(limit=2, order=order, after=after, **options)
        assert page.last_id != after
        found += ids(page)
        after = page.last_id
        if not page.has_more:
            break
        # Newer ones, older ones, some at the very time of a known one; and more of a known call.
        added += 1
        _add(store, f"new_{added}", chance.randrange(-2000, 9000, 500), added)
        _add(store, f"sess_{added % 6}", chance.randrange(0, 6000), 100 + added)
    assert added > 4
    assert len(set(found)) == len(found)
    assert [id_ for id_ in found if id_ in before] == before


def _add(store: EventStore, session_id: str, ms: int, number: int) -> None:
    call = Call()
    call.ms = ms
    if number < 100:
        call.store("opened", metadata={"customer": "42"})
    for turn in range(2):
        call.created(f"resp_{number}_{turn}", metadata={"topic": "a"})
    store.append(session_id, call.frames)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_an_ambiguous_id_as_cursor_names_its_session(store: EventStore, order: Any) -> None:
    expected = wanted(everything(recorded(store), order))
    cursors = [page.last_id for page in pages(store, limit=1, order=order)]
    assert cursors == [
        f"{session_id}/{id_}" if id_ == SAME else id_ for session_id, id_ in expected
    ]


def test_a_list_of_one_session_has_pages_too(store: EventStore) -> None:
    expected = [id_ for id_ in wanted(everything(recorded(store))) if id_[0] == "sess_03"]
    assert listed(store, session="sess_03", limit=1) == expected


def test_the_cursors_id_alone_does_within_a_session(store: EventStore) -> None:
    expected = [id_ for id_ in wanted(everything(recorded(store))) if id_[0] == "sess_03"]
    place = expected.index(("sess_03", SAME))
    page = store.responses(session="sess_03", after=SAME)
    assert ids(page) == expected[place + 1 :]


@pytest.mark.parametrize("shared", ["a/b", "/", "sess_1/resp"])
def test_an_ambiguous_id_with_a_slash_is_a_cursor(store: EventStore, shared: str) -> None:
    for session_id in ("sess_1", "sess/2"):
        store.append(session_id, Call().created(shared).frames)
    assert listed(store, limit=1) == [("sess_1", shared), ("sess/2", shared)]


@pytest.mark.xfail(strict=True, reason="the cursor was given without its session")
def test_a_cursor_stays_good_when_its_id_becomes_ambiguous(store: EventStore) -> None:
    store.append("sess_1", Call().created("resp_1").created("resp_2").frames)
    page = store.responses(limit=1)
    store.append("copy", Call().created("resp_2").frames)
    assert ("sess_1", "resp_1") in ids(store.responses(after=page.last_id))


@pytest.mark.parametrize("after", ["nowhere", "sess_00/nowhere", "/", ""])
def test_a_cursor_that_names_nothing_is_an_error(store: EventStore, after: str) -> None:
    recorded(store)
    with pytest.raises(NotFoundError, match="no response"):
        store.responses(after=after)


# One of them


def test_an_id_gives_the_resource(store: EventStore) -> None:
    for known in everything(recorded(store)):
        session = known.session_id if known.id == SAME else None
        assert store.response(known.id, session) == known.resource


def test_an_ambiguous_id_is_an_error_that_names_the_sessions(store: EventStore) -> None:
    sessions = {known.session_id for known in everything(recorded(store)) if known.id == SAME}
    for ask in (lambda: store.response(SAME), lambda: store.responses(after=SAME)):
        with pytest.raises(AmbiguousError) as refused:
            ask()
        assert all(session_id in str(refused.value) for session_id in sessions)
        assert "--session" in str(refused.value)


def test_of_many_sessions_five_are_named(store: EventStore) -> None:
    for number in range(7):
        store.append(f"sess_{number}", Call().created("resp_1").frames)
    with pytest.raises(AmbiguousError, match=r"\(sess_0, sess_1, sess_2, sess_3, sess_4, …\)"):
        store.response("resp_1")


@pytest.mark.parametrize("session", [None, "sess_00", "unheard of"])
def test_a_missing_response_is_an_error(store: EventStore, session: str | None) -> None:
    recorded(store)
    with pytest.raises(NotFoundError, match="no response nowhere"):
        store.response("nowhere", session)


def test_the_same_words_are_listed_in_either_shape(store: EventStore) -> None:
    recorded(store)
    for dialect in ("beta", "ga"):
        page = store.responses(text="order", dialect=dialect)
        assert [r["id"] for r in page.data] == [r["id"] for r in store.responses(text="order").data]
        assert all(SENTENCES and r["object"] == "realtime.response" for r in page.data)
        assert all(("modalities" in r) == (dialect == "beta") for r in page.data)
