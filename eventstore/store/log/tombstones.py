"""Tombstones: what remains of erased sessions and erased audio, and the refusal to use them.

A tombstone is a row of `erasures` with the time, the kind, the reason and the digest. Read by
everything that opens a session; written by erase_session.py and archive/erase_audio.py; checked by
`verify`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from eventstore.errors import ErasedError
from eventstore.realtime.values import dumps
from eventstore.segments.digest import BEGINNING
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.log.segments.left_bytes import DELETE_LEFT_BYTES as DELETE_LEFT
from eventstore.store.log.segments.left_bytes import noted_locations
from eventstore.times import is_time

WHOLE_SESSION, AUDIO_ONLY = "session", "audio"

ERASED_AT = "SELECT erased_at FROM streams WHERE session_id = ?"
REASON = "SELECT reason FROM erasures WHERE session_id = ? AND what = 'session'"
COUNT_OF_SESSION = "SELECT COUNT(*) FROM erasures WHERE session_id = ?"
AUDIO_ERASED_AT = "SELECT MAX(at) FROM erasures WHERE session_id = ? AND what = 'audio'"
INSERT_ERASURE = (
    "INSERT INTO erasures (session_id, at, what, reason, events, sha256, locations)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
SEGMENT_LOCATIONS = "SELECT location FROM segments WHERE session_id = ? AND location IS NOT NULL"
COUNT_BY_WHAT = "SELECT what, COUNT(DISTINCT session_id) FROM erasures GROUP BY what"
STREAM = "SELECT head_seq, erased_at FROM streams WHERE session_id = ?"
NOTED = "SELECT what, at, events, sha256, reason FROM erasures WHERE session_id = ?"
HAS_ROWS = " UNION ".join(
    f"SELECT '{table}' FROM {table} WHERE session_id = ?"
    for table in ("events", "segments", "sessions", "items", "responses")
)
DOUBTFUL = (
    "SELECT s.session_id FROM streams s WHERE s.erased_at IS NOT NULL AND (NOT EXISTS ("
    "SELECT 1 FROM erasures e WHERE e.session_id = s.session_id AND e.what = 'session'"
    " AND e.at = s.erased_at AND e.events = s.head_seq AND LENGTH(e.sha256) = 32)"
    " OR EXISTS (SELECT 1 FROM events e WHERE e.session_id = s.session_id)"
    " OR EXISTS (SELECT 1 FROM segments e WHERE e.session_id = s.session_id)"
    " OR EXISTS (SELECT 1 FROM sessions e WHERE e.session_id = s.session_id)"
    ") ORDER BY s.session_id"
)
LAST_ERASED_AT = "SELECT MAX(at) FROM erasures WHERE session_id = ?"


def refuse_erased(
    tx: Transaction, session_id: str, erased_at: int | None, advice: str = ""
) -> None:
    """Raise ErasedError if the session's stream says that it was erased.

    Args:
        erased_at: The column of the stream; None if it was not erased.
        advice: What the user can do, added behind the reason.
    """
    if erased_at is not None:
        row = tx.row(REASON, (session_id,))
        raise ErasedError(session_id, erased_at, row[0] if row is not None else None, advice)


def check_not_erased(tx: Transaction, session_id: str) -> None:
    """Look up a session's stream, and raise ErasedError if it says that the session was erased."""
    row = tx.row(ERASED_AT, (session_id,))
    refuse_erased(tx, session_id, row[0] if row is not None else None)


def count_erasures(tx: Transaction, session_id: str) -> int:
    """Return how often something of a session was erased.

    A reader compares the number before and after: what it read before an erasure is not valid.
    """
    return int(tx.rows(COUNT_OF_SESSION, (session_id,))[0][0])


def audio_erased_at(tx: Transaction, session_id: str) -> int | None:
    """Return when a session's audio was last erased, or None if it was not."""
    row = tx.row(AUDIO_ERASED_AT, (session_id,))
    return row[0] if row is not None else None


def locations_of_session(tx: Transaction, session_id: str) -> list[str]:
    """Return the places outside of the database where bytes of a session's segments are or were.

    Values that are not text are ignored. SQLite permits them, but no store has written them.
    """
    named = [row[0] for row in tx.rows(SEGMENT_LOCATIONS, (session_id,)) if isinstance(row[0], str)]
    return list(dict.fromkeys((*named, *noted_locations(tx, session_id))))


def insert_tombstone(
    tx: Transaction,
    session_id: str,
    at: int,
    what: str,
    reason: str | None,
    events: int,
    sha256: bytes,
    locations: Sequence[str],
) -> int:
    """Insert a tombstone.

    Args:
        at: The time of the erasure, in microseconds since 1970 UTC.
        what: `session` or `audio`.
        reason: Why, or None.
        events: How many events the session has.
        sha256: Its digest before the erasure.
        locations: The bytes outside of the database that are to be deleted; see
            maintenance/scrub.py.

    Returns:
        The time of the tombstone. If the clock is behind the previous tombstone, it is one
        microsecond later than that.
    """
    row = tx.row(LAST_ERASED_AT, (session_id,))
    if row is not None and isinstance(row[0], int):
        at = max(at, row[0] + 1)
    listed = dumps(list(locations)) if locations else None
    tx.run(INSERT_ERASURE, (session_id, at, what, reason, events, sha256, listed))
    tx.run(DELETE_LEFT, (session_id,))  # The tombstone lists these places from now on.
    return at


def count_erased_sessions(tx: Transaction) -> dict[str, int]:
    """Return of how many sessions something was erased, by what: `session` or `audio`."""
    found = {what: int(count) for what, count in tx.rows(COUNT_BY_WHAT)}
    return {what: found.get(what, 0) for what in (WHOLE_SESSION, AUDIO_ONLY)}


def tombstone_faults(tx: Transaction, session_id: str) -> Iterator[str]:
    """Yield the contradictions between a session's stream and its tombstones, in words.

    An erasure sets the stream's `erased_at`, inserts the tombstone, and deletes all other rows, in
    one transaction.
    """
    row = tx.row(STREAM, (session_id,))
    if row is None:
        return
    head, erased_at = row
    notes = tx.rows(NOTED, (session_id,))
    if not all(_is_note(head, *note) for note in notes):
        yield "what is noted of an erasure is nothing that an erasure notes"
    noted = [note[1:3] for note in notes if note[0] == WHOLE_SESSION]
    if erased_at is None:
        if noted:
            yield "it is noted that it was erased, and it is there"
        return
    if (erased_at, head) not in noted:
        yield "its stream says that it was erased, and no such erasure was noted"
    tables = {name for (name,) in tx.rows(HAS_ROWS, (session_id,) * 5)}
    if tables:
        yield f"its stream says that it was erased, and there are {', '.join(sorted(tables))} of it"


def _is_note(
    head: object, what: object, at: object, events: object, sha256: object, reason: object
) -> bool:
    """Return True if a tombstone can have these values.

    SQLite's columns take values of any type.
    """
    return (
        what in (WHOLE_SESSION, AUDIO_ONLY)
        and is_time(at)
        and type(events) is type(head) is int
        and 0 <= events <= head
        and isinstance(sha256, bytes | memoryview)
        and len(sha256) == len(BEGINNING)
        and (reason is None or (isinstance(reason, str) and reason.isprintable()))
    )


def doubtful_tombstones(engine: Engine) -> Iterator[str]:
    """Return an iterator over the sessions that are marked as erased but are not erased.

    Either the tombstone does not fit the stream, or some rows are left.
    """
    with read(engine) as tx:
        found = tx.rows(DOUBTFUL)
    return (row[0] for row in found)
