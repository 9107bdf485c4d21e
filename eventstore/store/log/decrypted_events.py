"""Decrypt the events of encrypted sessions as the log is read.

Called by read_events.py, feed/read_together.py and archive/erase_audio.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from eventstore.encryption.encrypt_events import decrypt_frames, decrypt_rows
from eventstore.realtime.events import EventRow, StoredEvent
from eventstore.realtime.frames import ENCRYPTIONS
from eventstore.store.database.transaction import Transaction

# The column `audio_offset` of a row.
_OFFSET = itemgetter(5)
# How many rows are decrypted by one call.
_TOGETHER = 32


def decrypted_events(
    tx: Transaction, session_id: str, rows: Sequence[Sequence[Any]]
) -> Iterator[EventRow]:
    """Yield rows of events, with those decrypted that are encrypted.

    An encrypted row that was changed is yielded as it is. Its columns then contradict each other,
    like those of any damaged row, and readers report that.

    The key is looked up at once. Rows are decrypted as they are taken, since memory that was just
    freed is faster than memory for all of them: it takes half of the time for rows with sound.

    Args:
        rows: Of one session, with the columns of `EventRow`.

    Raises:
        MissingKeyError: The session's key is not at hand.
        ErasedError: The session's key was dropped.
    """
    if ENCRYPTIONS.isdisjoint(map(_OFFSET, rows)):  # This is the usual case.
        return map(EventRow._make, rows)
    cipher = tx.decipher(session_id)
    return chain.from_iterable(decrypt_rows(cipher, some) for some in _batches(rows))


def decrypted_frames(
    tx: Transaction, session_id: str, rows: Sequence[Sequence[Any]]
) -> Iterator[StoredEvent | EventRow]:
    """Yield the events of encrypted rows with their whole frames, and other rows as they are.

    Events need no check. Rows that are not encrypted, and rows that cannot be decrypted, are
    yielded as rows.

    Args, Raises: As for `decrypted_events`.
    """
    if ENCRYPTIONS.isdisjoint(map(_OFFSET, rows)):  # This is the usual case.
        return map(EventRow._make, rows)
    cipher = tx.decipher(session_id)
    return chain.from_iterable(decrypt_frames(cipher, some) for some in _batches(rows))


def _batches(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    return (rows[first : first + _TOGETHER] for first in range(0, len(rows), _TOGETHER))
