"""Compute the digest of a session's events, and compare it with the digests of its segments.

Called by copy_sessions.py, which compares the sessions of two stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eventstore.errors import DamagedError, EventStoreError
from eventstore.realtime.events import EventRow
from eventstore.segments.digest import Digest, extend_digest
from eventstore.store.log.segments.read_segments import DigestStart, Segment


class BrokenLogError(EventStoreError):
    """Raised if a session's log lacks events, or has rows whose columns contradict each other."""


def checked_digest(
    session_id: str,
    rows: Iterable[EventRow],
    last: int,
    known: Sequence[Segment] = (),
    start: DigestStart | None = None,
) -> bytes:
    """Return the digest of a session's events up to `last`, if none is missing or damaged.

    Args:
        rows: The events from the first one of `start` to `last`, in order.
        known: Segments. At the end of each, the digest must be the one that the segment states.
        start: Where `rows` begin, and the digest of all events before; None for the session's
            beginning.

    Raises:
        DamagedError: A segment states another digest than its events have.
        BrokenLogError: An event is missing or damaged.
    """
    start = start or DigestStart()
    ends = {segment.last_seq: segment for segment in known}
    digest, expected = Digest(start.previous), start.first
    for row in rows:
        if row.seq != expected:
            break
        try:
            digest = extend_digest(digest, row)
        except (ValueError, TypeError, AttributeError) as error:
            problem = f"event {row.seq} is damaged: {error}; see: eventstore verify {session_id}"
            raise BrokenLogError(f"session {session_id}: {problem}") from error
        segment = ends.get(row.seq)
        if segment is not None and segment.sha256 != digest.value():
            problem = "its events have another digest than it was sealed with"
            raise DamagedError(session_id, segment.first_seq, segment.last_seq, problem)
        expected += 1
    if expected != last + 1:
        problem = f"lacks event {expected}; see: eventstore verify {session_id}"
        raise BrokenLogError(f"session {session_id} {problem}")
    return digest.value() if digest.events else start.previous
