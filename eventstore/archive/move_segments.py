"""Move the bytes of sealed segments out of the database, or back into it.

Each session is changed in one transaction. Called by `EventStore.offload`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from typing import IO, NamedTuple

from sqlalchemy import Engine

from eventstore.errors import EventStoreError, InvalidInputError, NotFoundError
from eventstore.store.database.engine_options import allowed_locations_of
from eventstore.store.database.identity import own_folder_name
from eventstore.store.database.outages import attempt
from eventstore.store.database.retries import retried, write_retried
from eventstore.store.database.transaction import read
from eventstore.store.log.segments import segment_bytes
from eventstore.store.log.segments.read_segments import (
    SegmentLocation,
    bytes_of,
    find_segment,
    segment_locations,
)
from eventstore.store.log.session_facts import find_last_seq, no_session
from eventstore.store.sessions.put_segments import MovedSegment, move_bytes

# Bytes that are moved into the database wait in memory up to this size, then in a temporary file.
_IN_MEMORY = 64 * 1024 * 1024


class Moved(NamedTuple):
    """What was moved of one session.

    Attributes:
        session_id: The session.
        segments: How many segments were moved; 0 if all were there already, or none is sealed.
        bytes: The size of these segments.
    """

    session_id: str
    segments: int
    bytes: int


def move_segments(
    engine: Engine, session_ids: Iterable[str], base: str | None
) -> Iterator[Moved | EventStoreError]:
    """Move the bytes of sealed segments to a folder, to object storage, or into the database.

    The bytes are read again at their new place before the old ones are deleted.

    Args:
        base: The URL of the new place. The bytes go into a folder there that belongs to this
            store alone. None moves them into the database.

    Yields:
        For each session what was moved, or the error that prevented it (its bytes are damaged, for
        example).

    Raises:
        DatabaseUnavailableError: The database or the storage cannot be reached.
        InvalidInputError: The place is not allowed, or the package that it needs is not installed.
    """
    if base is not None:
        allowed_locations_of(engine).allow(base)
        base = f"{base}/{write_retried(engine, own_folder_name)}"
    for session_id in session_ids:
        moved = attempt(f"session {session_id}", partial(_move, engine, session_id, base))
        if isinstance(moved, InvalidInputError) and base is not None:
            raise moved  # the place is the same for all sessions, so all would fail
        yield moved


def _move(engine: Engine, session_id: str, base: str | None) -> Moved:
    if find_last_seq(engine, session_id) is None:
        raise no_session(session_id)
    with read(engine) as tx:
        going = [place for place in segment_locations(tx, session_id) if not _is_there(place, base)]
    size = 0
    placed: list[tuple[MovedSegment, int]] = []
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as kept:
        for place in going:
            data = _bytes(engine, session_id, place)
            location = None
            if base is None:
                kept.write(data)
            else:
                location = segment_bytes.put(base, data)
            placed.append((MovedSegment(place.first_seq, place.sha256, location, None), len(data)))
            size += len(data)
        if placed:
            retried(lambda: _place(engine, session_id, placed, kept))
    return Moved(session_id, len(placed), size)


def _place(
    engine: Engine, session_id: str, placed: list[tuple[MovedSegment, int]], kept: IO[bytes]
) -> None:
    kept.seek(0)
    move_bytes(engine, session_id, _with_bytes(placed, kept))


def _is_there(place: SegmentLocation, base: str | None) -> bool:
    if base is None or place.location is None:
        return base is None and place.location is None
    return place.location.startswith(f"{base}/")


def _bytes(engine: Engine, session_id: str, place: SegmentLocation) -> bytes:
    with read(engine) as tx:
        packed = find_segment(tx, session_id, place.first_seq)
    if packed is None:
        raise NotFoundError(f"session {session_id} was unsealed meanwhile; run it again")
    return bytes_of(packed)


def _with_bytes(
    placed: Iterable[tuple[MovedSegment, int]], kept: IO[bytes]
) -> Iterator[MovedSegment]:
    for one, size in placed:
        yield one if one.location is not None else one._replace(data=kept.read(size))
