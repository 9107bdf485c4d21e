"""Compare a stream's row with the events that the log has of its session.

A stream's row says how far its events go (`head_seq`), how far its segments go (`sealed_seq`) and
how far its read models are (`projected_seq`). Each append keeps them in step. They can contradict
the log after writes that went around the store, for example of processes that shared one
connection, or after a partial restore. Called by repair.py, project.py, append.py and
archive/verifying/verify.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import BrokenHeadError, DamagedError
from eventstore.store.database.connections.drivers import error_classes
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.log.segments.read_segments import read_segments
from eventstore.store.log.session_facts import no_session

STREAM = (
    "SELECT head_seq, COALESCE(sealed_seq, 0), projected_seq, opened_at, closed_at, erased_at"
    " FROM streams WHERE session_id = ?"
)
ROWS = (
    "SELECT COALESCE(MIN(seq), 0), COALESCE(MAX(seq), 0), COUNT(*) FROM events WHERE session_id = ?"
)
COUNT_EVENTS = (
    "SELECT (SELECT COUNT(*) FROM events WHERE session_id = ? AND seq <= ?)"
    " + (SELECT COALESCE(SUM(last_seq - first_seq + 1), 0) FROM segments"
    " WHERE session_id = ? AND last_seq <= ?)"
)
FIRST_GAP = (
    "SELECT seq, following FROM (SELECT seq, LEAD(seq) OVER (ORDER BY seq) AS following"
    " FROM events WHERE session_id = ?) AS pairs WHERE following <> seq + 1 ORDER BY seq LIMIT 1"
)
HEAD_AND_LAST = (
    "SELECT head_seq, (SELECT MAX(seq) FROM events e WHERE e.session_id = s.session_id)"
    " FROM streams s WHERE s.session_id = ?"
)


class StreamRow(NamedTuple):
    """The row of a stream.

    Attributes:
        head, sealed, projected: Up to which seq its events, its segments and its read models go.
        opened_at, closed_at, erased_at: In microseconds since 1970 UTC.
    """

    head: int
    sealed: int
    projected: int
    opened_at: int
    closed_at: int | None
    erased_at: int | None


class Fault(NamedTuple):
    """A contradiction between the row of a session's stream and the session's log.

    Attributes:
        first_seq: The sequence number of the first event that it concerns.
        last_seq: The sequence number of the last event that it concerns.
        problem: What is wrong, in words.
        mendable: True if the log says what is right.
    """

    first_seq: int
    last_seq: int
    problem: str
    mendable: bool


class LogExtent(NamedTuple):
    """How far the log of a session really goes.

    Attributes:
        sealed: The last seq of its segments; 0 for none.
        last: The last seq of all events; 0 for none.
        faults: What is wrong in the log itself. Only a copy of the session can mend that.
    """

    sealed: int
    last: int
    faults: list[Fault]


def read_stream(tx: Transaction, session_id: str, lock: bool = False) -> StreamRow:
    """Return the row of a session's stream.

    Args:
        lock: True keeps other transactions from changing it until this one ends.

    Raises:
        NotFoundError: There is no such session.
        DamagedError: A column holds a value that is not a number, which SQLite permits.
    """
    row = tx.locked_row(STREAM, (session_id,)) if lock else tx.row(STREAM, (session_id,))
    if row is None:
        raise no_session(session_id)
    if not all(one is None or type(one) is int for one in row):
        raise DamagedError(session_id, 1, 1, "its stream's row holds what is no number")
    return StreamRow(*row)


def read_log_extent(tx: Transaction, session_id: str) -> LogExtent:
    """Return how far a session's log goes, and what is missing in it.

    Raises:
        DamagedError: The row of a segment, or the seq of an event, is not valid.
    """
    faults: list[Fault] = []
    end = 0
    for segment in read_segments(tx, session_id):
        if segment.first_seq > end + 1:
            faults.append(_unmendable(end + 1, segment.first_seq - 1, "segments are missing"))
        elif segment.first_seq <= end:
            faults.append(_unmendable(segment.first_seq, end, "segments overlap"))
        end = max(end, segment.last_seq)
    first, last, count = tx.rows(ROWS, (session_id,))[0]
    if not count:
        return LogExtent(end, end, faults)
    if not type(first) is type(last) is int:
        raise DamagedError(session_id, 1, 1, "the seq of an event is no number")
    if first <= end:
        problem = "rows stand beside the segments of these events"
        faults.append(_unmendable(first, min(last, end), problem))
    elif first > end + 1:
        faults.append(_unmendable(end + 1, first - 1, "events are missing"))
    if count != last - first + 1:
        before, behind = tx.rows(FIRST_GAP, (session_id,))[0]
        faults.append(_unmendable(before + 1, behind - 1, "events are missing"))
    return LogExtent(end, max(end, last), faults)


def check_complete(tx: Transaction, session_id: str, head: int) -> None:
    """Check that the log has as many events as the session's head says.

    Raises:
        DamagedError: It has fewer.
    """
    if int(tx.rows(COUNT_EVENTS, (session_id, head) * 2)[0][0]) >= head:
        return
    log = read_log_extent(tx, session_id)
    for fault in [*log.faults, _unmendable(log.last + 1, head, "events are missing")]:
        raise DamagedError(session_id, fault.first_seq, fault.last_seq, fault.problem)


def find_faults(stream: StreamRow, log: LogExtent) -> Iterator[Fault]:
    """Yield the contradictions between a stream's row and its log."""
    yield from log.faults
    if log.last > stream.head:
        problem = f"events stand behind the head, which is {stream.head}"
        yield Fault(stream.head + 1, log.last, problem, not log.faults)
    elif log.last < stream.head:
        problem = f"events are missing: the head is {stream.head}, and the last event {log.last}"
        yield _unmendable(log.last + 1, stream.head, problem)
    if log.sealed != stream.sealed:
        first, last = sorted((log.sealed, stream.sealed))
        problem = f"sealed_seq is {stream.sealed}, and the segments go up to {log.sealed}"
        yield Fault(first + 1, last, problem, not log.faults and log.last >= stream.sealed)
    if stream.projected > max(stream.head, log.last):
        problem = f"projected_seq is {stream.projected}, and the last event {log.last}"
        yield Fault(log.last + 1, stream.projected, problem, not log.faults)


def raise_if_head_broken(engine: Engine, session_ids: Iterable[str], error: Exception) -> None:
    """Raise BrokenHeadError if an append failed because the log has events behind the head.

    Args:
        session_ids: The sessions of the append.
        error: Why the append failed. Nothing is looked up unless it was a duplicate key, or may
            have been: Citus tells a node's errors of COPY as internal errors.

    Raises:
        BrokenHeadError: One of the sessions has events behind its head.
    """
    duplicate = error_classes(sqlite3.IntegrityError, "UniqueViolation", "InternalError")
    if not isinstance(error.__cause__, duplicate):
        return
    with read(engine) as tx:
        for session_id in session_ids:
            row = tx.row(HEAD_AND_LAST, (session_id,))
            if row is not None and row[1] is not None and row[1] > row[0]:
                raise BrokenHeadError(session_id, *row) from error


def _unmendable(first: int, last: int, problem: str) -> Fault:
    return Fault(first, last, problem, mendable=False)
