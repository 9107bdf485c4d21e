"""Read the new events of many sessions by one query each few sessions, for live calls.

A live call has a few new events whenever it is looked at, and there may be hundreds of calls: a
query for each would cost more than what it reads. Called by feed.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import EventStoreError
from eventstore.realtime.events import EventRow, StoredEvent
from eventstore.realtime.frames import restore
from eventstore.segments.wrong_column import wrong_column
from eventstore.store.database.outages import is_outage
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.log.decrypted_events import decrypted_frames

#: How many new events a session may have, and how many there are in one query: audio frames have
#: some ten kilobytes each.
MOST_OF_SESSION, MOST_TOGETHER = 100, 500
READ_STRETCHES = (
    "SELECT session_id, seq, at, direction, type, frame, audio_offset,"
    " COALESCE(audio_bytes, LENGTH(audio)), audio FROM events WHERE ({where}){which}"
    " ORDER BY session_id, seq"
)
_ONE = "(session_id = ? AND seq > ? AND seq <= ?)"


class Stretch(NamedTuple):
    """New events of a session, none of which is sealed.

    Attributes:
        session_id: The session.
        after: The last event before them.
        last: The last of them.
    """

    session_id: str
    after: int
    last: int


def read_together(
    engine: Engine, stretches: Iterable[Stretch], types: Sequence[str] | None
) -> dict[str, list[StoredEvent]]:
    """Return the events of stretches by session, each in its order.

    A session that cannot be read so, because a row of it is damaged, its key is not at hand or it
    was erased meanwhile, is left out: whoever reads it alone gets the error.

    Args:
        types: Only these types; None for all.
    """
    found: dict[str, list[StoredEvent]] = {}
    for some in _batches(stretches):
        with read(engine) as tx:
            rows = _rows(tx, some, types)
            for one in some:
                events = _events(tx, one.session_id, rows.get(one.session_id, []))
                if events is not None:
                    found[one.session_id] = events
    return found


def _batches(stretches: Iterable[Stretch]) -> Iterator[list[Stretch]]:
    batch: list[Stretch] = []
    size = 0
    for one in stretches:
        size += one.last - one.after
        if batch and size > MOST_TOGETHER:
            yield batch
            batch, size = [], one.last - one.after
        batch.append(one)
    if batch:
        yield batch


def _rows(
    tx: Transaction, some: Sequence[Stretch], types: Sequence[str] | None
) -> dict[str, list[Row]]:
    where = " OR ".join([_ONE] * len(some))
    which = "" if types is None else f" AND type IN ({', '.join('?' * len(types))})"
    sql = READ_STRETCHES.format(where=where, which=which)
    found: dict[str, list[Row]] = defaultdict(list)
    parameters = (*chain.from_iterable(some), *(types or ()))
    for session_id, *row in tx.rows_with_bytes(sql, parameters):
        found[session_id].append(tuple(row))
    return found


def _events(tx: Transaction, session_id: str, rows: list[Row]) -> list[StoredEvent] | None:
    try:
        read_now = list(decrypted_frames(tx, session_id, rows))
        if any(isinstance(row, EventRow) and wrong_column(row) is not None for row in read_now):
            return None
        return [row if isinstance(row, StoredEvent) else _event(row) for row in read_now]
    except ValueError:
        return None
    except EventStoreError as error:
        if is_outage(error):
            raise
        return None


def _event(row: EventRow) -> StoredEvent:
    text = restore(row.frame, row.audio_offset, row.audio)
    return StoredEvent(row.seq, row.at, row.direction, row.type, text)
