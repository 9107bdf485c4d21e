"""Items of a conversation, page by page: no more is read than a page has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.events import Call
from support.filled import filled

from eventstore import EventStore, InvalidInputError, NotFoundError
from eventstore.store.filters import page_bytes

COUNT = 25


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        yield filled(opened, "conversation", _fill)


def _fill(store: EventStore) -> None:
    call = Call().server("conversation.created", conversation={"id": "conv_1"})
    for number in range(COUNT):
        call.typed(f"item_{number}", f"words {number}", "root" if number % 3 == 0 else None)
    call.server("conversation.item.deleted", item_id="item_4")
    store.append("sess_1", call.frames)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_have_each_item_once(store: EventStore, order: str) -> None:
    wanted = store.conversation("conv_1")["items"]
    found, after = [], None
    while True:
        page = store.conversation_items("conv_1", limit=7, after=after, order=order)  # type: ignore[arg-type]
        assert len(page.data) <= 7 and page.first_id == page.data[0]["id"]
        found += page.data
        if not page.has_more:
            break
        after = page.last_id
    assert found == (wanted if order == "asc" else wanted[::-1]) and len(found) == COUNT - 1


def test_a_page_ends_before_the_item_that_is_too_much(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_bytes, "PAGE_BYTES", 1000)
    monkeypatch.setattr(page_bytes, "_LIGHT", 10)
    page = store.conversation_items("conv_1", limit=20)
    assert 0 < len(page.data) < 5 and page.has_more


def test_one_item(store: EventStore) -> None:
    (wanted,) = (i for i in store.conversation("conv_1")["items"] if i["id"] == "item_7")
    assert store.conversation_item("conv_1", "item_7") == wanted
    assert store.conversation_session("conv_1") == "sess_1"
    for missing in ("item_4", "item_99", "", "\0", "\ud83d"):
        with pytest.raises(NotFoundError):
            store.conversation_item("conv_1", missing)
        with pytest.raises((NotFoundError, InvalidInputError)):
            store.conversation_items("conv_1", after=missing)
    with pytest.raises(NotFoundError):
        store.conversation_items("conv_2")
    with pytest.raises(NotFoundError):
        store.scoped("customer", "1").conversation_item("conv_1", "item_7")
