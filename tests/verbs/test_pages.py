"""A page of a list: a sequence, and what follows it."""

from __future__ import annotations

import pytest
from support.events import Call

from eventstore import EventStore, InvalidInputError

IDS = [f"sess_{number}" for number in range(7)]


@pytest.fixture
def store() -> EventStore:
    store = EventStore("sqlite://")
    for number, id_ in enumerate(IDS):
        call = Call()
        call.ms = number * 60_000
        call.typed("item_1", f"Hello {number}").created(f"resp_{number}").done(f"resp_{number}")
        store.append(id_, call.frames)
        store.set_metadata(id_, {"side": "odd" if number % 2 else "even"})
    return store


def test_a_page_is_a_sequence_of_its_entries(store: EventStore) -> None:
    page = store.sessions(limit=3)
    assert len(page) == 3 and list(page) == page.data
    assert page[0]["id"] == page.first_id == "sess_6"
    assert page[-1]["id"] == page.last_id == "sess_4"
    assert [entry["id"] for entry in page[1:]] == ["sess_5", "sess_4"]
    assert page.data[1] in page and page.index(page.data[1]) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_all_pages_have_each_entry_once(store: EventStore, limit: int, order: str) -> None:
    wanted = IDS if order == "asc" else IDS[::-1]
    page = store.sessions(limit=limit, order=order)
    assert [entry["id"] for entry in page.iter_all()] == wanted
    pages = [page]
    while (page := page.next_page()) is not None:
        pages.append(page)
    assert [entry["id"] for page in pages for entry in page] == wanted
    assert [page.has_more for page in pages] == [True] * (len(pages) - 1) + [False]
    responses = store.responses(limit=limit, order=order).iter_all()
    assert [r["id"].replace("resp", "sess") for r in responses] == wanted


def test_the_next_page_has_the_same_filters_and_shape(store: EventStore) -> None:
    page = store.sessions(limit=2, metadata={"side": "odd"}, summary=True)
    found = list(page.iter_all())
    assert [entry["id"] for entry in found] == ["sess_5", "sess_3", "sess_1"]
    assert all("summary" in entry["eventstore"] for entry in found)
    responses = store.responses(limit=1, metadata="side=even", dialect="ga").iter_all()
    assert ["output_modalities" in response for response in responses] == [True] * 4


def test_pages_before_an_entry_go_on_towards_the_beginning(store: EventStore) -> None:
    page = store.sessions(limit=2, before="sess_1", order="desc")
    assert [entry["id"] for entry in page] == ["sess_3", "sess_2"]
    further = page.next_page()
    assert further is not None and [entry["id"] for entry in further] == ["sess_5", "sess_4"]


def test_items_of_a_conversation_go_on(store: EventStore) -> None:
    call = Call()
    for number in range(5):
        call.typed(f"item_{number}", "Hello")
    call.created("resp_9", "conv_9")
    store.append("long", call.frames)
    conversation = store.state("long")["conversations"][0]["id"]
    assert conversation == "conv_9"
    page = store.conversation_items(conversation, limit=2, order="asc")
    assert [item["id"] for item in page.iter_all()] == [f"item_{number}" for number in range(5)]


def test_an_empty_page_has_no_next_one(store: EventStore) -> None:
    page = store.sessions(model="nobody's")
    assert len(page) == 0 and not page.has_more
    assert page.next_page() is None and list(page.iter_all()) == []


def test_wrong_filters_are_told_at_once(store: EventStore) -> None:
    with pytest.raises(InvalidInputError):
        store.sessions(limit=0)
