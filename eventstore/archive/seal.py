"""Seal sessions: turn their events into segments, decoded again and compared before they go."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import DamagedError, EventStoreError, InvalidInputError, NotFoundError
from eventstore.realtime.events import EventRow
from eventstore.segments.container import SegmentError
from eventstore.segments.digest import Digest, extend_digest
from eventstore.store.database.transaction import read, write
from eventstore.store.database.workers import for_each
from eventstore.store.log.read_events import read_rows
from eventstore.store.log.segments.read_segments import digest_start, read_segments
from eventstore.store.log.tombstones import count_erasures, refuse_erased
from eventstore.store.sessions.put_segments import (
    NewSegment,
    encrypted_segment,
    put_segments,
    restore_events,
)

STREAM = "SELECT head_seq, closed_at, sealed_seq, erased_at FROM streams WHERE session_id = ?"
# Packed segments that are held in memory; more wait in a temporary file.
_IN_MEMORY = 64 * 1024 * 1024


class Sealed(NamedTuple):
    """A session that was sealed.

    Attributes:
        session_id: the session.
        events: how many were put in segments.
        frame_bytes: what their frames took on the wire.
        packed_bytes: what the segments take.
        sha256: the session's digest.
    """

    session_id: str
    events: int
    frame_bytes: int
    packed_bytes: int
    sha256: bytes


class Unsealed(NamedTuple):
    """A session that was unsealed.

    Attributes:
        session_id: The session.
        events: How many events were in segments; 0 if none was.
    """

    session_id: str
    events: int


class _SealStart(NamedTuple):
    """Where sealing goes on: from a seq, behind a digest."""

    head: int
    sealed: int
    erasures: int
    first: int
    previous: bytes


def seal_session(engine: Engine, session_id: str) -> Sealed:
    """Turn a closed session's events into segments, in one transaction.

    What was sealed before stays, but for a last segment that is not full: events that came
    behind it are packed with its own.

    Returns:
        What was done: 0 events where all of it was sealed already.

    Raises:
        NotFoundError: there is no such session.
        InvalidInputError: it is open, or its log has holes. DamagedError: an event is damaged.
        ConflictError: somebody else has sealed, unsealed or erased it meanwhile.
    """
    start = _start(engine, session_id)
    if start.sealed == start.head:
        return Sealed(session_id, 0, 0, 0, start.previous)
    with write(engine) as tx:
        cipher = tx.cipher(session_id)  # what waits in a file is encrypted, too
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as kept:
        rows = read_rows(engine, session_id, start.first, start.head)
        done = Sealed(session_id, 0, 0, 0, start.previous)
        made = []
        for plain in pack_segments(session_id, rows, start.first, start.head, start.previous):
            segment = encrypted_segment(cipher, plain)
            kept.write(segment.data)
            made.append((segment._replace(data=b""), len(segment.data)))
            done = Sealed(
                session_id,
                done.events + segment.last_seq - segment.first_seq + 1,
                done.frame_bytes + segment.frame_bytes,
                done.packed_bytes + len(segment.data),
                segment.sha256,
            )
        kept.seek(0)
        whole = (segment._replace(data=kept.read(size)) for segment, size in made)
        put_segments(
            engine, session_id, start.sealed, start.erasures, start.first, start.head, whole
        )
    return done


def seal_sessions(
    engine: Engine, session_ids: Sequence[str], workers: int
) -> Iterator[Sealed | EventStoreError]:
    """Seal sessions, as they get done; for each what was done, or why it cannot be.

    Args:
        workers: processes to share the work.
    """
    return for_each(engine, seal_session, session_ids, workers)


def unseal_session(engine: Engine, session_id: str) -> int:
    """Turn a session's segments into events again, in one transaction; how many events.

    Raises:
        NotFoundError: there is no such session.
        DamagedError: a segment cannot be read; nothing was changed.
        ConflictError: somebody else has sealed, unsealed or erased it meanwhile.
    """
    _, _, sealed, erasures = _stream(engine, session_id)
    if sealed:
        rows = read_rows(engine, session_id, 1, sealed)
        restore_events(engine, session_id, sealed, erasures, rows)
    return sealed


def _stream(engine: Engine, session_id: str) -> tuple[int, int | None, int, int]:
    with read(engine) as tx:
        row = tx.row(STREAM, (session_id,))
        if row is None:
            raise NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
        refuse_erased(tx, session_id, row[3])
        erasures = count_erasures(tx, session_id)
    return row[0], row[1], row[2] or 0, erasures


def _start(engine: Engine, session_id: str) -> _SealStart:
    head, closed_at, sealed, erasures = _stream(engine, session_id)
    if closed_at is None:
        raise InvalidInputError(f"session {session_id} is open; seal it once it is closed")
    with read(engine) as tx:
        first, previous = digest_start(read_segments(tx, session_id), head)
    return _SealStart(head, sealed, erasures, first, previous)


def pack_segments(
    session_id: str, rows: Iterable[EventRow], first: int, last: int, previous: bytes
) -> Iterator[NewSegment]:
    """Segments of rows, each unpacked and compared.

    Args:
        rows: those from seq `first` to `last`.
        previous: the digest of the segment before.

    Raises:
        InvalidInputError: a row is missing. DamagedError: one is damaged.
    """
    group, digest = [], Digest(previous)
    expected = first
    for row in rows:
        if row.seq != expected:
            raise InvalidInputError(f"session {session_id} lacks event {expected}; not sealed")
        expected += 1
        group.append(row)
        try:
            digest = extend_digest(digest, row)
        except ValueError as error:
            raise DamagedError(session_id, row.seq, row.seq, str(error)) from error
        if digest.is_full() or row.seq == last:
            yield _segment(session_id, group, digest, previous)
            group, previous = [], digest.value()
    if expected != last + 1:
        raise InvalidInputError(f"session {session_id} lacks event {expected}; not sealed")


def _segment(session_id: str, group: list[EventRow], digest: Digest, previous: bytes) -> NewSegment:
    # Packing sound takes numpy, which takes longer to load than most commands run.
    from eventstore.segments.pack import pack_segment
    from eventstore.segments.unpack import unpack_segment

    data = pack_segment(group)
    seqs = f"{group[0].seq} to {group[-1].seq}"
    try:
        is_same = list(unpack_segment(data, frame_bytes=digest.frame_bytes)) == group
    except SegmentError as error:  # one frame of a gigabyte that packs into nothing, say
        problem = f"session {session_id}: events {seqs} cannot be packed; not sealed: {error}"
        raise InvalidInputError(problem) from error
    if not is_same:
        raise RuntimeError(f"session {session_id}: packing events {seqs} changed them; not sealed")
    times = [row.at for row in group if row.at is not None]
    return NewSegment(
        group[0].seq,
        group[-1].seq,
        group[0].at,
        min(times, default=None),
        digest.frame_bytes,
        digest.value(),
        previous,
        data,
    )
