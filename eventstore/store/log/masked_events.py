"""Mask secrets in a session's events, also a secret that begins in one event and ends in another.

Used by `Log.masked_events` (sessions/log.py), verbs/log_queries.py and
replay/player/session_cues.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Engine

from eventstore.realtime.catalogue import STREAMED_TEXTS
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.live_catalogue import NESTING_TYPE
from eventstore.realtime.masking.mask import mask_words
from eventstore.realtime.masking.mask_session import SessionMask
from eventstore.store.log.read_events import read_events

# How many events are searched backwards for the beginning of a text, at first and at most.
_BEFORE, _FARTHEST = 500, 16_000


def mask_events(events: Iterable[StoredEvent], mask: SessionMask) -> Iterator[StoredEvent]:
    """Yield events with "[removed]" in place of secrets.

    Args:
        events: The events, in order.
        mask: Has read the texts that began before these events; see `session_mask_at`.
    """
    for event in events:
        text = mask.mask(event.text).text
        yield event._replace(text=text, type=mask_words(event.type))


def session_mask_at(engine: Engine, session_id: str, seq: int) -> SessionMask:
    """Return the mask for the events behind a seq. It has read the texts that may go on there."""
    mask = SessionMask()
    begin = _texts_begin(engine, session_id, seq)
    types = [*STREAMED_TEXTS, NESTING_TYPE]
    for event in read_events(engine, session_id, begin, seq, types):
        mask.mask(event.text)
    return mask


def _texts_begin(engine: Engine, session_id: str, before: int) -> int:
    """Return the seq from which to read the texts that may go on behind an event.

    That is where their response begins.
    """
    reach = _BEFORE
    while True:
        begin = max(1, before - reach)
        created = read_events(engine, session_id, begin, before, ["response.created"])
        if begin == 1 or reach >= _FARTHEST or next(created, None) is not None:
            return begin
        reach *= 2
