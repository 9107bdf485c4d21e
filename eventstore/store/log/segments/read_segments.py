"""Read the segments of a session, and the events in them.

Called by read_events.py and everything else that handles sealed sessions: heads.py, load_state.py,
and archive/ to seal, verify, copy and move.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from eventstore.encryption.cipher import CipherError
from eventstore.encryption.encrypt_segments import decrypt_segment, is_encrypted_segment
from eventstore.errors import DamagedError
from eventstore.realtime.events import EventRow
from eventstore.segments.container import SegmentError, read_container
from eventstore.segments.digest import BEGINNING, is_full
from eventstore.store.database.allowed_locations import AllowedLocations
from eventstore.store.database.transaction import SessionKeys, Transaction
from eventstore.store.log.segments import segment_bytes

if TYPE_CHECKING:
    from eventstore.segments.unpack import WantedRows

SEALED_SEQ = "SELECT sealed_seq FROM streams WHERE session_id = ?"
SEGMENTS = (
    "SELECT first_seq, last_seq, frame_bytes, sha256, previous_sha256 FROM segments"
    " WHERE session_id = ? ORDER BY first_seq"
)
SEGMENT_WITH = (
    "SELECT first_seq, last_seq, first_at, least_at, frame_bytes, sha256, previous_sha256,"
    " location, data FROM segments"
    " WHERE session_id = ? AND first_seq <= ? AND last_seq >= ? ORDER BY first_seq DESC LIMIT 1"
)
SEGMENT_PLACES = (
    "SELECT first_seq, sha256, location FROM segments WHERE session_id = ? ORDER BY first_seq"
)


class Segment(NamedTuple):
    """The seqs and digests of a segment, without its bytes.

    Attributes:
        first_seq, last_seq: Its first and last event.
        frame_bytes: How many bytes its frames had on the wire.
        sha256, previous_sha256: Its digest, and that of the segment before it.
    """

    first_seq: int
    last_seq: int
    frame_bytes: int
    sha256: bytes
    previous_sha256: bytes


class DigestStart(NamedTuple):
    """Where a computation of a digest begins.

    Attributes:
        first: The first seq.
        previous: The digest of the events before it.
    """

    first: int = 1
    previous: bytes = BEGINNING


def digest_start(segments: Sequence[Segment], head: int) -> DigestStart:
    """Return where the digest of the events begins that a session's segments do not cover.

    If the last segment is not full, the digest begins with that segment, because the events behind
    it will be sealed into the same one.
    """
    if not segments:
        return DigestStart()
    last = segments[-1]
    if last.last_seq < head and not is_full(last.last_seq - last.first_seq + 1, last.frame_bytes):
        return DigestStart(last.first_seq, last.previous_sha256)
    return DigestStart(last.last_seq + 1, last.sha256)


class SegmentLocation(NamedTuple):
    """Where a segment's bytes are.

    Attributes:
        first_seq, sha256: Of the segment.
        location: The URL of the bytes; None if they are in the database.
    """

    first_seq: int
    sha256: bytes
    location: str | None


class StoredSegment(NamedTuple):
    """A segment as it is stored, with its bytes or their location.

    Attributes:
        session_id: The session.
        first_seq, last_seq, first_at, least_at, frame_bytes, sha256, previous_sha256: As in
            `NewSegment`.
        location, data: The URL of the bytes, or the bytes themselves; the other one is None.
        keys: The keys of the store's sessions, because the bytes may be encrypted.
        allowed: The places outside of the database that may be opened.
    """

    session_id: str
    first_seq: int
    last_seq: int
    first_at: int | None
    least_at: int | None
    frame_bytes: int
    sha256: bytes
    previous_sha256: bytes
    location: str | None
    data: bytes | None
    keys: SessionKeys
    allowed: AllowedLocations


def sealed_seq(tx: Transaction, session_id: str) -> int:
    """Return up to which seq a session's events are in segments; 0 if there are no segments."""
    row = tx.row(SEALED_SEQ, (session_id,))
    return int(row[0] or 0) if row is not None else 0


def read_segments(tx: Transaction, session_id: str) -> list[Segment]:
    """Return a session's segments, in order, without their bytes.

    Raises:
        DamagedError: A row has values that no segment can have.
    """
    found = [Segment(*row) for row in tx.rows(SEGMENTS, (session_id,))]
    for one in found:
        numbers = (one.first_seq, one.last_seq, one.frame_bytes)
        _check_row(session_id, *numbers, (one.sha256, one.previous_sha256), (), ())
    return found


def segment_locations(tx: Transaction, session_id: str) -> list[SegmentLocation]:
    """Return where the bytes of a session's segments are, in order."""
    return [SegmentLocation(*row) for row in tx.rows(SEGMENT_PLACES, (session_id,))]


def find_segment(tx: Transaction, session_id: str, seq: int) -> StoredSegment | None:
    """Return the segment that contains an event, or None if the event is not sealed.

    Raises:
        DamagedError: The row has values that no segment can have.
    """
    rows = tx.rows_with_bytes(SEGMENT_WITH, (session_id, seq, seq))
    if not rows:
        return None
    first, last, first_at, least_at, frame_bytes, *digests, location, data = rows[0]
    _check_row(session_id, first, last, frame_bytes, digests, (first_at, least_at), (data,))
    if location is not None and type(location) is not str:
        raise DamagedError(session_id, first, last, "its place is no text")
    tx.keys.check_once(tx)
    return StoredSegment._make((session_id, *rows[0], tx.keys, tx.allowed))


def _check_row(
    session_id: str,
    first: object,
    last: object,
    frame_bytes: object,
    digests: Iterable[object],
    times: Iterable[object],
    data: Iterable[object],
) -> None:
    """Raise DamagedError if a row has values that no segment can have; SQLite permits any type."""
    if not (type(first) is type(last) is int and 1 <= first <= last):
        raise DamagedError(session_id, 1, 1, "a segment of it has no such events")
    if not (type(frame_bytes) is int and frame_bytes >= 0):
        raise DamagedError(session_id, first, last, "it has no such number of bytes")
    if not all(type(one) is bytes and len(one) == len(BEGINNING) for one in digests):
        raise DamagedError(session_id, first, last, "its digest is none")
    if not all(one is None or type(one) is int for one in times):
        raise DamagedError(session_id, first, last, "its times are none")
    if not all(one is None or type(one) is bytes for one in data):
        raise DamagedError(session_id, first, last, "its bytes are none")


def bytes_of(packed: StoredSegment) -> bytes:
    """Return a segment's bytes, from the database or from their place.

    Call it outside of a transaction if possible, because other places may be slow.

    Raises:
        DamagedError: The bytes are missing or changed, or their place may not be opened.
        DatabaseUnavailableError: The bytes cannot be reached.
    """
    if packed.data is not None:
        return packed.data
    try:
        if packed.location is None:
            raise segment_bytes.BytesError("its bytes are missing")
        return segment_bytes.get(packed.location, packed.allowed)
    except segment_bytes.BytesError as error:
        raise _damaged(packed, error) from error


def _damaged(packed: StoredSegment, error: Exception) -> DamagedError:
    sound = error.sound if isinstance(error, SegmentError) else None
    return DamagedError(packed.session_id, packed.first_seq, packed.last_seq, str(error), sound)


def events_in(
    packed: StoredSegment,
    wanted: WantedRows | None = None,
    sound: bool = True,
    framed: WantedRows | None = None,
) -> Iterator[EventRow]:
    """Yield the events of a segment, in order; see `unpack_container`.

    Args:
        wanted: Takes the direction and the type of events, and returns True if they are asked for;
            None for all.
        sound: False reads the size of the audio that was cut out of frames, but not the audio.
        framed: False for events whose frames are not needed: they are empty.

    Raises:
        DamagedError: The segment cannot be read.
        DatabaseUnavailableError: Its bytes are in another place, which cannot be reached.
        MissingKeyError: The segment is encrypted, and the session's key is not at hand.
    """
    # Imported here, because it loads numpy, which takes longer than most commands run.
    from eventstore.segments.unpack import unpack_container

    data = bytes_of(packed)
    try:
        if is_encrypted_segment(data):
            data = decrypt_segment(packed.keys.cipher_to_read(packed.session_id), packed[1:8], data)
        events = packed.last_seq - packed.first_seq + 1
        container = read_container(data)
        if (container.first, container.events) != (packed.first_seq, events):
            raise SegmentError("it holds other events")
        yield from unpack_container(container, wanted, sound, packed.frame_bytes, framed)
    except (SegmentError, CipherError) as error:
        raise _damaged(packed, error) from error


def segments_between(
    tx: Transaction, session_id: str, first: int, last: int
) -> Iterator[StoredSegment]:
    """Yield the segments that have events from `first` to `last`, in order.

    Raises:
        DamagedError: The row of one has values that no segment can have.
    """
    while first <= last:
        packed = find_segment(tx, session_id, first)
        if packed is None:
            return
        yield packed
        first = packed.last_seq + 1


def sealed_events(
    tx: Transaction, session_id: str, first: int, last: int, sound: bool = True
) -> Iterator[EventRow]:
    """Yield the events from `first` to `last` that are in segments, in order.

    Raises:
        DamagedError, DatabaseUnavailableError, MissingKeyError: As for `events_in`.
    """
    for packed in segments_between(tx, session_id, first, last):
        yield from (row for row in events_in(packed, sound=sound) if first <= row.seq <= last)
