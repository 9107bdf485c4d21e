"""Events are given by pages, and by looks of a stream, that are bounded by bytes."""

from __future__ import annotations

import json

import httpx
import pytest
from support.api_serving import Serve

from eventstore import EventStore, Frame
from eventstore.web.api import events

FRAMES = [
    Frame("client", json.dumps({"type": "x", "pad": "y" * 600, "n": n}), None) for n in range(7)
]


def test_a_page_of_large_events_ends_early(
    serve: Serve, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("large", FRAMES)
    monkeypatch.setattr(events, "PAGE_BYTES", 1500)
    address, pages, after = f"{serve()}/v1/realtime/sessions/large/events", [], "0"
    while not pages or pages[-1]["has_more"]:
        pages.append(httpx.get(address, params={"after": after, "limit": 100}).json())
        after = pages[-1]["last_id"]
    assert [len(page["data"]) for page in pages] == [2, 2, 2, 1]
    monkeypatch.setattr(events, "PAGE_BYTES", 1)
    page = httpx.get(address, params={"after": 6}).json()
    assert (len(page["data"]), page["has_more"]) == (1, False)


def test_a_stream_of_large_events_looks_at_a_few_at_once(
    serve: Serve, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("large", FRAMES, close=True)
    monkeypatch.setattr(events, "_BYTES", 1500)
    looks: list[int] = []
    read = EventStore.events

    def counted(*args: object, **given: object) -> object:
        looks.append(args[2])  # type: ignore[arg-type]
        return read(*args, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(EventStore, "events", counted)
    told = httpx.get(f"{serve()}/v1/realtime/sessions/large/events", params={"stream": "true"}).text
    ids = [int(line[4:]) for line in told.splitlines() if line.startswith("id: ")]
    assert ids == [event.seq for event in read(store, "large")]
    assert looks == [1, 3, 5, 7]
