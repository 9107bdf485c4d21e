"""Read what a subscription delivers of one session, behind its checkpoint. Called by feed.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Engine

from eventstore.errors import NotFoundError
from eventstore.feed.delivery import Delivery, Wanted, finished_response
from eventstore.realtime.catalogue import METADATA_SET, SET_LATER
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.masking.mask import mask_value
from eventstore.store.consumers.news import News
from eventstore.store.log.read_events import read_events
from eventstore.store.log.session_facts import read_session_metadata
from eventstore.store.queries.query_responses import read_response
from eventstore.store.queries.query_sessions import read_session

#: How many events of a session are looked at before another session has its turn.
MOST_EVENTS = 500


def last_to_read(wanted: Wanted, news: News, position: int) -> int:
    """Return up to which event a subscription can go on in a session.

    It is the head, or less: so many events at once, and no more than read models have, if what is
    delivered is read from them.

    Args:
        position: The last event that it has had.
    """
    reads_all = wanted.of in ("sessions", "changes")
    last = news.head if reads_all else min(news.head, position + MOST_EVENTS)
    return min(last, news.projected) if wanted.needs_read_models() else last


def deliveries(
    engine: Engine,
    wanted: Wanted,
    news: News,
    position: int,
    last: int,
    ended: bool,
    known: Sequence[StoredEvent] | None = None,
) -> Iterator[Delivery]:
    """Yield what a subscription delivers of a session, in the order of its events.

    Args:
        position: The last event that it has had.
        last: The last event to look at.
        ended: True if the session's end was delivered.
        known: The events from `position` to `last`, of the wanted types, if they were read already.

    Raises:
        ErasedError, NotFoundError: The session was erased or moved away meanwhile.
        DamagedError, MissingKeyError: The session cannot be read.
    """
    id_ = news.session_id
    if wanted.conditions and not wanted.has(read_session_metadata(engine, id_)):
        return
    if wanted.of == "changes":
        yield Delivery(id_, last, "change")
    elif wanted.of != "sessions":
        yield from _of_events(engine, wanted, id_, position, last, known)
    if wanted.of not in ("sessions", "endings") or not news.closed or ended:
        return
    if _has_ended(engine, id_, last, news.head) and _ends_here(engine, wanted, id_, position, last):
        yield Delivery(id_, last, "session", resource=mask_value(read_session(engine, id_)))


def _has_ended(engine: Engine, id_: str, last: int, head: int) -> bool:
    """Return True if a closed session has ended with `last`, or before it.

    Scores and metadata notes may stand behind its end. They are not waited for: a turn that reads
    them alone would find no end.
    """
    # The next event is read alone at first, because it nearly always tells.
    behind = chain(
        read_events(engine, id_, last + 1, last + 1), read_events(engine, id_, last + 2, head)
    )
    return last == head or all(event.type in SET_LATER for event in behind)


def _ends_here(engine: Engine, wanted: Wanted, id_: str, position: int, last: int) -> bool:
    """Return True if a closed session ended behind `position`, or is wanted only since then.

    A score or a metadata note that a session gets long after its end is no second end.
    """
    return any(
        event.type not in SET_LATER or (event.type == METADATA_SET and bool(wanted.conditions))
        for event in read_events(engine, id_, position + 1, last)
    )


def _of_events(
    engine: Engine,
    wanted: Wanted,
    id_: str,
    position: int,
    last: int,
    known: Sequence[StoredEvent] | None,
) -> Iterator[Delivery]:
    """Yield events, or the responses that they finish."""
    events: Iterable[StoredEvent] | None = known
    if events is None:
        events = read_events(engine, id_, position + 1, last, wanted.event_types())
    for event in events:
        if wanted.of == "events":
            yield Delivery(id_, event.seq, "event", event=event)
            continue
        response_id = finished_response(event)
        resource = None if response_id is None else _response(engine, id_, response_id)
        if resource is not None:
            yield Delivery(id_, event.seq, "response", resource=resource)


def _response(engine: Engine, session_id: str, response_id: str) -> dict[str, Any] | None:
    """Return a response's resource, or None if the fold has none of this id."""
    try:
        resource: dict[str, Any] = mask_value(read_response(engine, response_id, session_id))
    except NotFoundError:
        return None
    return resource
