"""Pack events into segments, and hold the segments until they are written to the database.

Called by seal.py, and by erase_audio.py for the events of sealed sessions without their audio.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from eventstore.encryption.cipher import Cipher
from eventstore.errors import DamagedError, InvalidInputError
from eventstore.realtime.events import EventRow
from eventstore.segments.container import SegmentError
from eventstore.segments.digest import Digest, extend_digest
from eventstore.store.sessions.put_segments import NewSegment, encrypted_segment

# Bytes of packed segments that are held in memory; beyond that they are in a temporary file.
_IN_MEMORY = 64 * 1024 * 1024


@contextmanager
def buffered_segments(
    plain: Iterable[NewSegment], cipher: Cipher | None
) -> Iterator[tuple[list[tuple[NewSegment, int]], Iterator[NewSegment]]]:
    """Encrypt segments and hold all of them, in a temporary file if they are large.

    All segments are made before the block begins. So an event that cannot be packed is found before
    anything is written to the database.

    Args:
        plain: The segments, in order.
        cipher: The session's cipher; None if it has none. The temporary file is encrypted, too.

    Yields:
        The segments without their bytes, each with its size in bytes. Then an iterator over the
        whole segments, which can be used once.
    """
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as buffer:
        made: list[tuple[NewSegment, int]] = []
        for segment in plain:
            encrypted = encrypted_segment(cipher, segment)
            buffer.write(encrypted.data)
            made.append((encrypted._replace(data=b""), len(encrypted.data)))
        buffer.seek(0)
        yield made, (segment._replace(data=buffer.read(size)) for segment, size in made)


def segments_of_rows(
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
