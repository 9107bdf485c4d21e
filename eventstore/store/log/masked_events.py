"""Events of a session without their secrets: one may begin in one event and end in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Engine

from eventstore.realtime.catalogue import STREAMED_TEXTS
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.masking.mask import mask_words
from eventstore.realtime.masking.mask_session import SessionMask
from eventstore.store.log.read_events import read_events

# How many events before a piece of a text are looked at for its beginning.
_BEFORE, _FARTHEST = 500, 16_000


def mask_events(events: Iterable[StoredEvent], mask: SessionMask) -> Iterator[StoredEvent]:
    """The same events with "[removed]" in place of secrets.

    Args:
        mask: has seen the pieces of texts that go on in these events.
    """
    for event in events:
        text = mask.mask(event.text).text
        yield event._replace(text=text, type=mask_words(event.type))


def session_mask_at(engine: Engine, session_id: str, seq: int) -> SessionMask:
    """What masks the events behind a seq: it has seen the texts that may go on there."""
    mask = SessionMask()
    begin = _texts_begin(engine, session_id, seq)
    for event in read_events(engine, session_id, begin, seq, STREAMED_TEXTS):
        mask.mask(event.text)
    return mask


def _texts_begin(engine: Engine, session_id: str, before: int) -> int:
    """From where the texts are read that may go on behind an event: their response's begin."""
    reach = _BEFORE
    while True:
        begin = max(1, before - reach)
        created = read_events(engine, session_id, begin, before, ["response.created"])
        if begin == 1 or reach >= _FARTHEST or next(created, None) is not None:
            return begin
        reach *= 2
