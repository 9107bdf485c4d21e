"""Compute a session's digests again from its segments and rows, and find what is wrong in them.

Called by verify.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from eventstore.archive.verifying.verify_events import EventChecks
from eventstore.archive.verifying.verify_results import Problem, SegmentDigest
from eventstore.encryption.encrypt_segments import is_bound_segment, is_encrypted_segment
from eventstore.errors import DamagedError
from eventstore.segments.digest import BEGINNING, Digest, extend_digest
from eventstore.store.database.transaction import read
from eventstore.store.log.heads import find_faults, read_log_extent, read_stream
from eventstore.store.log.read_events import read_stored_rows
from eventstore.store.log.segments.read_segments import (
    Segment,
    StoredSegment,
    bytes_of,
    digest_start,
    events_in,
    find_segment,
)

BESIDE_SEGMENTS = "SELECT MIN(seq), MAX(seq) FROM events WHERE session_id = ? AND seq <= ?"
LAST_EVENT = "SELECT MAX(seq) FROM events WHERE session_id = ?"

_BEHIND = "events stand behind the head"


def verify_log(
    checks: EventChecks, head: int, sealed: int, stored: Sequence[Segment], problems: list[Problem]
) -> list[SegmentDigest]:
    """Return the digests of a session's log, computed anew.

    Args:
        checks: Checks each event; it has seen none yet.
        head: The session's last event by its stream.
        sealed: The last sealed event by its stream.
        stored: The session's segments, in order.
        problems: What is wrong is added here.
    """
    engine, session_id = checks.engine, checks.session_id
    found = _verify_segments(checks, stored, problems)
    reached = found[-1].last_seq if found else 0
    if reached < sealed:
        problems.append(Problem(reached + 1, sealed, "segments are missing"))
    problems += _rows_beside(engine, session_id, sealed)
    problems += _contradictions_of_stream(engine, session_id)
    if not problems and digest_start(stored, head).first <= sealed:
        # The last segment is not full. Sealing again would pack it with the events after it, so
        # the digests that are returned are those that sealing again would make.
        found.pop()
    found += _verify_tail(checks, sealed, head, found, problems)
    return found


def _verify_segments(
    checks: EventChecks, stored: Sequence[Segment], problems: list[Problem]
) -> list[SegmentDigest]:
    """Return the digests that the segments themselves state, and add what is wrong in them."""
    previous, seq = BEGINNING, 1
    found = []
    for segment in stored:
        first, last = segment.first_seq, segment.last_seq
        if first > seq:
            problems.append(Problem(seq, first - 1, "segments are missing"))
        elif first < seq:
            problems.append(Problem(first, seq - 1, "segments overlap"))
        if segment.previous_sha256 != previous:
            problems.append(Problem(first, last, "the segment does not follow the one before"))
        problems += _verify_segment(checks, segment)
        found.append(SegmentDigest(first, last, segment.sha256))
        # The next segment is compared with what this one states, so that damage in this one is
        # reported once.
        previous, seq = segment.sha256, last + 1
    return found


def _verify_segment(checks: EventChecks, segment: Segment) -> Iterator[Problem]:
    """Yield what is wrong in one segment: its bytes, its events, its digest and its numbers."""
    first, last = segment.first_seq, segment.last_seq
    packed = None
    try:
        with read(checks.engine) as tx:
            packed = find_segment(tx, checks.session_id, first)
        if packed is None:
            yield Problem(first, last, "the segment is gone")
            return
        packed = packed._replace(data=bytes_of(packed))
        data = packed.data or b""
        problem = checks.protect(
            last, last - first + 1, is_encrypted_segment(data), is_bound_segment(data)
        )
        if problem is not None:
            yield Problem(first, last, problem)
        digest, times = Digest(segment.previous_sha256), []
        for row in events_in(packed):
            problem = checks.problem(row, is_sealed=True)
            if problem is not None:
                yield Problem(row.seq, row.seq, problem)
            digest.add(row)
            times.append(row.at)
        if digest.value() != segment.sha256:
            yield Problem(first, last, "its frames are not those that were sealed")
        known = min((at for at in times if at is not None), default=None)
        said = (packed.first_at, packed.least_at, packed.frame_bytes)
        if said != (times[0], known, digest.frame_bytes):
            yield Problem(first, last, "the log says other times or sizes than its events have")
    except DamagedError as error:
        yield _narrowed(packed, error)
    except ValueError as error:
        yield Problem(first, last, f"its columns contradict each other: {error}")


def _narrowed(packed: StoredSegment | None, error: DamagedError) -> Problem:
    """Return the problem of a damaged segment.

    If only a block of audio is damaged, the problem names only the events with that audio.
    """
    sound = error.sound
    if packed is None or sound is None:
        return Problem(error.first_seq, error.last_seq, error.problem)
    rows = events_in(packed, lambda *kind: kind == sound, sound=False)
    seqs = [row.seq for row in rows if row.audio_bytes is not None] or [error.first_seq]
    problem = f"{error.problem}: that of {len(seqs):,} events; their texts, and all else, are whole"
    return Problem(seqs[0], seqs[-1], problem)


def _rows_beside(engine: Engine, session_id: str, sealed: int) -> Iterator[Problem]:
    """Yield a problem if there are rows of events that are also in segments."""
    with read(engine) as tx:
        row = tx.row(BESIDE_SEGMENTS, (session_id, sealed))
    if row is not None and row[0] is not None:
        yield Problem(row[0], row[1], "rows stand beside the segments of these events")


def _contradictions_of_stream(engine: Engine, session_id: str) -> Iterator[Problem]:
    """Yield where the stream's row contradicts the log, if `eventstore repair` can mend it."""
    with read(engine) as tx:
        faults = find_faults(read_stream(tx, session_id), read_log_extent(tx, session_id))
        found = [fault for fault in faults if fault.mendable]
    for first, last, problem, _ in found:
        yield Problem(first, last, f"{problem}; run: eventstore repair {session_id}")


def _verify_tail(
    checks: EventChecks,
    sealed: int,
    head: int,
    found: Sequence[SegmentDigest],
    problems: list[Problem],
) -> list[SegmentDigest]:
    """Return the digests of the events that are not sealed, in the ranges that sealing would make.

    Args:
        found: The digests of the segments before them.
        problems: What is wrong is added here.
    """
    engine, session_id = checks.engine, checks.session_id
    digests: list[SegmentDigest] = []
    digest = Digest(found[-1].sha256 if found else BEGINNING)
    seq = found[-1].last_seq if found else 0
    begin = seq + 1
    with read(engine) as tx:
        row = tx.row(LAST_EVENT, (session_id,))
    end = max(head, (row[0] or 0) if row is not None else 0)
    for event in read_stored_rows(engine, session_id, begin, end):
        if event.seq > seq + 1:
            problems.append(Problem(seq + 1, event.seq - 1, "events are missing"))
        seq = event.seq
        if seq > head:
            continue
        problem = checks.problem(event, is_sealed=seq <= sealed)
        if problem is not None:
            problems.append(Problem(seq, seq, problem))
            continue
        digest = extend_digest(digest, event)
        if digest.is_full() or seq == head:
            digests.append(SegmentDigest(begin, seq, digest.value()))
            begin = seq + 1
    if seq < head:
        problems.append(Problem(seq + 1, head, "events are missing"))
    elif seq > head and not any(_BEHIND in problem for _, _, problem in problems):
        problems.append(Problem(head + 1, seq, _BEHIND))
    return digests
