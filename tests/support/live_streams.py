"""The stream of open sessions, read event by event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

Events = Iterator[tuple[str, Any]]


@contextmanager
def following(asking: httpx.Client, **filters: str) -> Iterator[Events]:
    """The events of the stream, as they come."""
    with asking.stream("GET", "/live", params=filters) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"  # nginx hands each event on at once
        yield events_of(answer.iter_lines())


def events_of(lines: Iterator[str]) -> Events:
    name = ""
    for line in lines:
        assert not line.startswith(":"), "nothing came"
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def until(told: Events, name: str, **notes: Any) -> dict[str, Any]:
    """The first event of a name with these notes."""
    for found, data in told:
        if found == name and notes.items() <= data.get("eventstore", {}).items():
            assert isinstance(data, dict)
            return data
    raise AssertionError("the stream has ended")
