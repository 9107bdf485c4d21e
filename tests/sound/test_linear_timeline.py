"""A timeline takes work in proportion to what came: what it looks at is counted, not timed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.sound import ULAW, append, opened, server

from eventstore.realtime.events import StoredEvent
from eventstore.sound.timeline import timeline
from eventstore.sound.timeline.sample_clock import place_chunks

PCM = {"type": "audio/pcm", "rate": 24_000}


class Looked(list[int]):
    """A list that counts what is looked at in it."""

    number = 0

    def __iter__(self) -> Iterator[int]:
        for entry in super().__iter__():
            Looked.number += 1
            yield entry

    def __getitem__(self, place_chunks: Any) -> Any:
        found = super().__getitem__(place_chunks)
        Looked.number += len(found) if isinstance(place_chunks, slice) else 1
        return found


def looked_at(changes: int) -> int:
    """How many pauses are looked at in a call whose format changes behind each of as many."""
    frames = [opened()]
    for number in range(changes):
        side = {"input": {"format": (ULAW, PCM)[number % 2]}}
        frames.append(server(number, "session.updated", session={"audio": side}))
        frames.append(append(number, b"12345678"))
    events = [StoredEvent(seq, f.at, f.direction, "", f.text) for seq, f in enumerate(frames, 1)]
    Looked.number = 0
    built = timeline.build_timeline(event._replace(type=_type(event)) for event in events)
    assert len({stretch.format["type"] for stretch in built.streamed}) == 2
    assert len(built.streamed) >= changes
    return Looked.number


def _type(event: StoredEvent) -> str:
    return str(event.text).partition('"type": "')[2].partition('"')[0]


def test_pauses_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(*args: Any) -> Any:
        placed = place_chunks(*args)
        return placed._replace(breaks=Looked(placed.breaks))

    monkeypatch.setattr(timeline, "place_chunks", counted)
    few, many = looked_at(100), looked_at(200)
    assert few and many <= 2.6 * few
