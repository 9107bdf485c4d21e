"""Encrypted events: a frame and its audio, in the column that audio is in.

`frame` is empty, and `audio_offset` is `BOUND`: what is encrypted is bound to the session and to
the row's seq, time, direction and type, and holds the size of the audio, so that none of them can
be changed, and nothing be moved. `ENCRYPTED` is what older versions wrote: bound to the session and
the seq alone. Those columns stay readable: finding, ordering and counting events needs no key.
"""

from __future__ import annotations

import struct

from eventstore.encryption.cipher import Cipher, CipherError
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import BOUND, ENCRYPTIONS

# Where the audio was cut out (see realtime/frames.py), and the bytes of the frame's text; and the
# size of the audio, which is known where the audio itself was erased.
_HEAD, _SIZE = struct.Struct("<iI"), struct.Struct("<q")
_WHOLE = -(2**31)
_NO_SIZE = -1


def encrypt_row(cipher: Cipher, row: EventRow) -> tuple[str, int, bytes]:
    """Return `frame`, `audio_offset` and `audio` as the table has them, of an event to encrypt."""
    text = row.frame.encode()
    offset = _WHOLE if row.audio_offset is None else row.audio_offset
    size = _NO_SIZE if row.audio_bytes is None else row.audio_bytes
    plain = b"".join((_HEAD.pack(offset, len(text)), _SIZE.pack(size), text, row.audio or b""))
    return "", BOUND, cipher.encrypt(plain, _place(*row[:4]))


def decrypt_row(cipher: Cipher, row: EventRow) -> EventRow:
    """An event, decrypted; one that is not encrypted is left as it is.

    Raises:
        CipherError: it cannot be decrypted, or its time, direction or type are others.
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
