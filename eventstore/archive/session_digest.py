"""The digest of a session, or of its beginning, held against its segments' own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eventstore.errors import DamagedError, EventStoreError
from eventstore.realtime.events import EventRow
from eventstore.segments.digest import Digest, extend_digest
from eventstore.store.log.segments.read_segments import DigestStart, Segment


class BrokenLogError(EventStoreError):
    """A session whose log has holes, or rows that contradict themselves."""


def checked_digest(
    session_id: str,
    rows: Iterable[EventRow],
    last: int,
    known: Sequence[Segment] = (),
    start: DigestStart | None = None,
) -> bytes:
    """Return the digest of a session's events up to `last`, if they are whole.

    Args:
        rows: the events from the start to `last`.
        known: segments whose own digests must be the same.

    Raises:
        DamagedError: a segment's own digest is another.
        BrokenLogError: an event is missing or damaged.
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
