"""Seal sessions: pack their events into segments. Unseal them: turn segments into events again.

Each segment is unpacked and compared before its events are deleted. Called by `EventStore.seal` and
`EventStore.unseal`, retain.py and erase_audio.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.archive.segment_packing import buffered_segments, segments_of_rows
from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.store.database.outages import attempt
from eventstore.store.database.retries import retried
from eventstore.store.database.transaction import read, write
from eventstore.store.database.workers import for_each
from eventstore.store.log.read_events import read_rows
from eventstore.store.log.segments.read_segments import digest_start, read_segments
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import count_erasures, refuse_erased
from eventstore.store.sessions.put_segments import (
    put_segments,
    restore_events,
)

STREAM = "SELECT head_seq, closed_at, sealed_seq, erased_at FROM streams WHERE session_id = ?"


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
    return retried(lambda: _seal(engine, session_id))


def _seal(engine: Engine, session_id: str) -> Sealed:
    start = _start(engine, session_id)
    if start.sealed == start.head:
        return Sealed(session_id, 0, 0, 0, start.previous)
    with write(engine) as tx:
        cipher = tx.cipher(session_id)  # the temporary file is encrypted, too
    rows = read_rows(engine, session_id, start.first, start.head)
    plain = segments_of_rows(session_id, rows, start.first, start.head, start.previous)
    with buffered_segments(plain, cipher) as (made, segments):
        put_segments(
            engine, session_id, start.sealed, start.erasures, start.first, start.head, segments
        )
    return Sealed(
        session_id,
        start.head - start.first + 1,
        sum(segment.frame_bytes for segment, _ in made),
        sum(packed_bytes for _, packed_bytes in made),
        made[-1][0].sha256,
    )


def seal_sessions(
    engine: Engine, session_ids: Sequence[str], workers: int
) -> Iterator[Sealed | EventStoreError]:
    """Yield what sealing did with each session, or its error, as each gets done.

    Args:
        workers: How many processes share the work.
    """
    return for_each(engine, _seal_each, session_ids, workers)


def _seal_each(engine: Engine, session_ids: Sequence[str]) -> Iterator[Sealed | EventStoreError]:
    for session_id in session_ids:
        yield attempt(f"session {session_id}", partial(seal_session, engine, session_id))


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
    return retried(lambda: _unseal(engine, session_id))


def _unseal(engine: Engine, session_id: str) -> int:
    _, _, sealed, erasures = _stream(engine, session_id)
    if sealed:
        rows = read_rows(engine, session_id, 1, sealed)
        restore_events(engine, session_id, sealed, erasures, rows)
    return sealed


def _stream(engine: Engine, session_id: str) -> tuple[int, int | None, int, int]:
    with read(engine) as tx:
        row = tx.row(STREAM, (session_id,))
        if row is None:
            raise no_session(session_id)
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
