"""Events of encrypted sessions, as the log's readers need them."""

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
    """Events, those of them decrypted that are encrypted.

    One that was changed is left as it is: its columns contradict each other, as those of any row
    that is damaged.

    Raises:
        MissingKeyError: the session's key is not at hand. ErasedError: it was dropped.
    """
    if _ENCRYPTIONS.isdisjoint(map(_OFFSET, rows)):  # nearly always
        return rows
    cipher = tx.decipher(session_id)
    return [_decrypted(cipher, row) for row in rows]


def _decrypted(cipher: Cipher, row: EventRow) -> EventRow:
    with suppress(CipherError):
        return decrypt_row(cipher, row)
    return row
