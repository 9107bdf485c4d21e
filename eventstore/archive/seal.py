"""Seal sessions: pack their events into segments. Unseal them: turn segments into events again.

Each segment is unpacked and compared before its events are deleted. Called by `EventStore.seal` and
`EventStore.unseal`, retain.py and erase_audio.py.
"""

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
# Bytes of packed segments that are held in memory; beyond that they are in a temporary file.
_IN_MEMORY = 64 * 1024 * 1024


class Sealed(NamedTuple):
    """What sealing did with one session.

    Attributes:
        session_id: The session.
        events: How many events were packed into segments; 0 if all were sealed before.
        frame_bytes: The size of their frames on the wire.
        packed_bytes: The size of the segments.
        sha256: The session's digest.
    """

    session_id: str
    events: int
    frame_bytes: int
    packed_bytes: int
    sha256: bytes


class Unsealed(NamedTuple):
    """What unsealing did with one session.

    Attributes:
        session_id: The session.
        events: How many events were in segments; 0 if none was.
    """

    session_id: str
    events: int


class _SealStart(NamedTuple):
    """Where sealing goes on in a session, and what must not change meanwhile.

    Attributes:
        head: The session's last event.
        sealed: The last event that is sealed; 0 if none is.
        erasures: How many erasures of the session are noted.
        first: The first event to pack.
        previous: The digest of all events before `first`.
    """

    head: int
    sealed: int
    erasures: int
    first: int
    previous: bytes


def seal_session(engine: Engine, session_id: str) -> Sealed:
    """Pack the events of a closed session into segments, in one transaction.

    Segments that are there stay, except a last segment that is not full: its events are packed
    again together with the events after it.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
        InvalidInputError: The session is open, or its log lacks events.
        DamagedError: An event is damaged.
        ConflictError: Another process has sealed, unsealed or erased the session meanwhile.
    """
    start = _start(engine, session_id)
    if start.sealed == start.head:
        return Sealed(session_id, 0, 0, 0, start.previous)
    with write(engine) as tx:
        cipher = tx.cipher(session_id)  # the temporary file is encrypted, too
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
    """Yield what sealing did with each session, or its error, as each gets done.

    Args:
        workers: How many processes share the work.
    """
    return for_each(engine, seal_session, session_ids, workers)


def unseal_session(engine: Engine, session_id: str) -> int:
    """Turn a session's segments into events again, in one transaction.

    Returns:
        How many events were in segments.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
        DamagedError: A segment cannot be read; nothing was changed.
        ConflictError: Another process has sealed, unsealed or erased the session meanwhile.
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
    """Yield segments of events. Each was unpacked again and compared with its events.

    Args:
        rows: The events from seq `first` to `last`, in order.
        previous: The digest of all events before `first`.

    Raises:
        InvalidInputError: An event is missing.
        DamagedError: An event is damaged.
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
    # Imported here because packing audio needs numpy, which takes long to load.
    from eventstore.segments.pack import pack_segment
    from eventstore.segments.unpack import unpack_segment

    data = pack_segment(group)
    seqs = f"{group[0].seq} to {group[-1].seq}"
    try:
        is_same = list(unpack_segment(data, frame_bytes=digest.frame_bytes)) == group
    except SegmentError as error:  # one frame of a gigabyte that packs into nothing, for example
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
