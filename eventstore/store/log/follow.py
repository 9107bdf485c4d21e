"""Follow a session's log while another process appends to it.

Called by replay/player/session_cues.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.common.pauses import Pause
from eventstore.errors import DatabaseUnavailableError, MissingKeyError
from eventstore.realtime.endings import is_ending
from eventstore.realtime.events import StoredEvent
from eventstore.store.database.transaction import read
from eventstore.store.log.read_events import read_events
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import refuse_erased

#: The shortest and the longest pause between two looks at the head, in seconds. The pause grows
#: while there are no new events.
FASTEST, SLOWEST = 0.05, 0.2
#: The pause between two attempts to reach a database that is away, in seconds.
RETRY = 0.5
#: How long to wait for more events behind one that closes the session, such as the recorder's own,
#: in seconds.
CLOSING_WAIT = 1.0

LOOK = "SELECT head_seq, closed_at, erased_at FROM streams WHERE session_id = ?"


class Quiet(NamedTuple):
    """Says that no event came for some time.

    Attributes:
        seconds: How long ago the last event was yielded.
    """

    seconds: float


def follow_events(
    engine: Engine,
    session_id: str,
    types: Sequence[str],
    stopped: Callable[[], bool],
    away: Callable[[DatabaseUnavailableError], None],
) -> Iterator[StoredEvent | Quiet | Pause]:
    """Yield a session's events so far, and then each new one, until the session is closed.

    Several times a second it also yields how long no event came, and for how long to wait then.

    Args:
        types: Only events of these types; the types that close a session must be among them.
        stopped: Called between events, and after each pause; True ends the iteration.
        away: Called once each time that the database goes away. The function then retries until the
            database is back.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
        MissingKeyError: The session is encrypted, and its key is not at hand.
    """
    seen, pause, closing, reached = 0, FASTEST, None, True
    last = time.monotonic()
    while not stopped():
        try:
            head, closed = _look(engine, session_id)
            pause = FASTEST if head > seen else min(pause * 1.25, SLOWEST)
            for event in read_events(engine, session_id, seen + 1, head, types):
                if stopped():
                    return
                seen = event.seq
                closing = time.monotonic() if is_ending(event) else closing
                yield event
                last = time.monotonic()
            seen, reached = head, True
        except MissingKeyError:
            raise
        except DatabaseUnavailableError as error:
            if reached:
                away(error)
            reached = False
            yield Pause(RETRY)
            continue
        if closed or (closing is not None and time.monotonic() > closing + CLOSING_WAIT):
            return
        yield Quiet(time.monotonic() - last)
        yield Pause(pause)


def _look(engine: Engine, session_id: str) -> tuple[int, bool]:
    """Return a session's head, and True if its writer has closed it."""
    with read(engine) as tx:
        row = tx.row(LOOK, (session_id,))
        if row is None:
            raise no_session(session_id)
        refuse_erased(tx, session_id, row[2])
    return row[0], row[1] is not None
