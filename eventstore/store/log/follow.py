"""Follow a session's log while others write it: look at its head, and read what is new."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError, MissingKeyError, NotFoundError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE
from eventstore.store.database.transaction import read
from eventstore.store.log.read_events import read_events
from eventstore.store.log.tombstones import refuse_erased

#: Seconds between looks: the fewest behind news, more the longer there are none.
FASTEST, SLOWEST = 0.05, 0.2
#: Seconds between tries to reach a database that is away.
RETRY = 0.5
#: Seconds that a close in the log may be followed by more, such as the recorder's own.
LINGER = 1.0

LOOK = "SELECT head_seq, closed_at, erased_at FROM streams WHERE session_id = ?"


def follow_events(
    engine: Engine,
    session_id: str,
    types: Sequence[str],
    stopped: Callable[[], bool],
    away: Callable[[DatabaseUnavailableError], None],
) -> Iterator[StoredEvent]:
    """A session's events so far, and each further one, until the session is closed.

    Args:
        types: only these, and among them those that close a session.
        stopped: asked between events, and at least five times a second; true ends it.
        away: told once, each time that the database goes away; it is tried again until it is back.

    Raises:
        NotFoundError: there is no such session. ErasedError: it was erased.
        MissingKeyError: it is encrypted, and its key is not at hand.
    """
    seen, pause, closing, reached = 0, FASTEST, None, True
    while not stopped():
        try:
            head, closed = _look(engine, session_id)
            pause = FASTEST if head > seen else min(pause * 1.25, SLOWEST)
            for event in read_events(engine, session_id, seen + 1, head, types):
                if stopped():
                    return
                seen = event.seq
                closing = time.monotonic() if _closes(event) else closing
                yield event
            seen, reached = head, True
        except MissingKeyError:
            raise
        except DatabaseUnavailableError as error:
            if reached:
                away(error)
            reached = False
            _sleep(RETRY, stopped)
            continue
        if closed or (closing is not None and time.monotonic() > closing + LINGER):
            return
        _sleep(pause, stopped)


def _look(engine: Engine, session_id: str) -> tuple[int, bool]:
    """A session's head, and whether whoever wrote it has closed it."""
    with read(engine) as tx:
        row = tx.row(LOOK, (session_id,))
        if row is None:
            raise NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
        refuse_erased(tx, session_id, row[2])
    return row[0], row[1] is not None


def _closes(event: StoredEvent) -> bool:
    """Whether an event says that its session is closed."""
    noted = event.type == "eventstore.session.closed" and event.direction == STORE
    return noted or event.type == "session.closed"


def _sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    """Sleep in parts, so that a signal or another thread can stop it soon."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not stopped():
        time.sleep(min(left, SLOWEST / 2))
