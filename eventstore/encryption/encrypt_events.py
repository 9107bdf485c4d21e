"""Encrypt and decrypt rows of events: a frame and its audio become one ciphertext.

Called by what appends events and by what reads the log (store/log). In an encrypted row, `frame` is
empty, the column `audio` has the ciphertext, and `audio_offset` is one of these:

- `BOUND`: The ciphertext is bound to the session and to the row's seq, time, direction and type,
  and contains the size of the audio. None of these can be changed unnoticed.
- `ENCRYPTED`: Older versions wrote this. The ciphertext is bound to the session and the seq alone.

The row's other columns stay readable: finding, ordering and counting events needs no key.
"""

from __future__ import annotations

import struct

from eventstore.encryption.cipher import Cipher, CipherError
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import BOUND, ENCRYPTIONS

# The plaintext begins with `audio_offset` (see realtime/frames.py) and the size of the frame's
# text. Then the size of the audio follows, which is known even if the audio was erased.
_HEAD, _SIZE = struct.Struct("<iI"), struct.Struct("<q")
_WHOLE = -(2**31)
_NO_SIZE = -1


def encrypt_row(cipher: Cipher, row: EventRow) -> tuple[str, int, bytes]:
    """Encrypt an event, and return the columns `frame`, `audio_offset` and `audio` of its row."""
    text = row.frame.encode()
    offset = _WHOLE if row.audio_offset is None else row.audio_offset
    size = _NO_SIZE if row.audio_bytes is None else row.audio_bytes
    plain = b"".join((_HEAD.pack(offset, len(text)), _SIZE.pack(size), text, row.audio or b""))
    return "", BOUND, cipher.encrypt(plain, _place(*row[:4]))


def decrypt_row(cipher: Cipher, row: EventRow) -> EventRow:
    """Decrypt the row of an event. A row that is not encrypted is returned as it is.

    Raises:
        CipherError: The row was changed or moved, or is under another key.
    """
    if row.audio_offset not in ENCRYPTIONS:
        return row
    seq, at, direction, type_, _, kind, size, data = row
    is_bound = kind == BOUND
    plain = cipher.decrypt(
        data or b"", _place(seq, at, direction, type_) if is_bound else f"event {seq}"
    )
    offset, length = _HEAD.unpack_from(plain)
    begin = _HEAD.size
    if is_bound:
        (size,) = _SIZE.unpack_from(plain, begin)
        begin += _SIZE.size
    end = begin + length
    if end > len(plain):
        raise CipherError("it is shorter than it says")
    text = plain[begin:end].decode()
    if offset == _WHOLE:
        return EventRow(seq, at, direction, type_, text, None, None, None)
    audio = plain[end:]
    if offset < 0:
        size = len(audio)
    return EventRow(seq, at, direction, type_, text, offset, size, audio)


def _place(seq: int, at: int | None, direction: str, type_: str) -> str:
    return f"event 2\0{seq}\0{at}\0{direction}\0{type_}"
