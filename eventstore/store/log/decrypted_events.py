"""Decrypt the events of encrypted sessions as the log is read.

Called by read_events.py and archive/erase_audio.py.
"""

from __future__ import annotations

from contextlib import suppress
from operator import attrgetter

from eventstore.encryption.cipher import Cipher, CipherError
from eventstore.encryption.encrypt_events import decrypt_row
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import ENCRYPTIONS
from eventstore.store.database.transaction import Transaction

_OFFSET = attrgetter("audio_offset")
_ENCRYPTIONS = frozenset(ENCRYPTIONS)


def decrypted_events(tx: Transaction, session_id: str, rows: list[EventRow]) -> list[EventRow]:
    """Return rows of events, with those decrypted that are encrypted.

    An encrypted row that was changed is returned as it is. Its columns then contradict each other,
    like those of any damaged row, and readers report that.

    Args:
        rows: Of one session.

    Raises:
        MissingKeyError: The session's key is not at hand.
        ErasedError: The session's key was dropped.
    """
    if _ENCRYPTIONS.isdisjoint(map(_OFFSET, rows)):  # This is the usual case.
        return rows
    cipher = tx.decipher(session_id)
    return [_decrypted(cipher, row) for row in rows]


def _decrypted(cipher: Cipher, row: EventRow) -> EventRow:
    with suppress(CipherError):
        return decrypt_row(cipher, row)
    return row
