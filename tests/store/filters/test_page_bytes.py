"""Pages of lists are bounded by their bytes; turned one by one, they have every entry once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.events import Call
from support.filled import filled

from eventstore import EventStore
from eventstore.realtime.values import dumps
from eventstore.store.filters import page_bytes
from eventstore.store.queries.pages import Page

Listed = Callable[..., Page]
#: Characters of each session's and response's largest text: light, heavy, and more than a page.
SIZES = [100, 3000, 3000, 100, 40_000, 3000, 100, 100, 40_000, 40_000, 100, 3000]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_bytes, "PAGE_BYTES", 20_000)
    monkeypatch.setattr(page_bytes, "_LIGHT", 4000)


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        yield filled(opened, "sizes", _fill)


def _fill(store: EventStore) -> None:
    for number, size in enumerate(SIZES):
        call = Call().server("session.created", session={"instructions": "i" * size})
        call.created(f"resp_{number}", metadata={"topic": "hours"})
        call.done(f"resp_{number}", status_details={"reason": "x" * size})
        frames = [frame._replace(at=(frame.at or 0) + number * 10**6) for frame in call.frames]
        store.append(f"sess_{number:02}", frames)
        store.set_metadata(f"sess_{number:02}", {"customer": "42"})


def turned(listed: Listed, **filters: Any) -> Iterator[Page]:
    """Every page of a list."""
    side = "after" if "before" not in filters else "before"
    page = listed(**filters)
    while page.data:
        yield page
        if not page.has_more:
            return
        page = listed(**{**filters, side: page.last_id if side == "after" else page.first_id})


@pytest.mark.parametrize("filters", [{}, {"metadata": "customer=42"}, {"live": True}])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [2, 100])
def test_pages_of_sessions(
    store: EventStore, filters: dict[str, Any], order: str, limit: int
) -> None:
    pages = list(turned(store.sessions, order=order, limit=limit, **filters))
    found = [session["id"] for page in pages for session in page.data]
    assert found == sorted(found, reverse=order == "desc")
    assert len(found) == len(SIZES)
    _are_bounded(pages)


@pytest.mark.parametrize("filters", [{}, {"metadata": "topic=hours"}, {"status": "completed"}])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_responses(store: EventStore, filters: dict[str, Any], order: str) -> None:
    pages = list(turned(store.responses, order=order, limit=100, **filters))
    found = [response["id"] for page in pages for response in page.data]
    expected = [f"resp_{number}" for number in range(len(SIZES))]
    assert found == (expected if order == "asc" else expected[::-1])
    _are_bounded(pages)
    for response in (response for page in pages for response in page.data):
        whole = store.response(response["id"])
        assert response == whole


def test_pages_backwards(store: EventStore) -> None:
    pages = list(turned(store.sessions, before="sess_00", limit=100))
    found = [session["id"] for page in reversed(pages) for session in page.data]
    assert found == [f"sess_{number:02}" for number in range(len(SIZES) - 1, 0, -1)]
    _are_bounded(pages)


def _are_bounded(pages: list[Page]) -> None:
    assert len(pages) > 3
    for page in pages:
        assert len(page.data) == 1 or len(dumps(page.data)) < 30_000
