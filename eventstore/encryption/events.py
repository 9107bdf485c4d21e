"""Encrypted events: a frame and its audio, in the column that audio is in.

`audio_offset` is `ENCRYPTED`, `frame` empty. Seq, time, direction, type and the size of the audio
stay readable: finding, ordering and counting events needs no key.
"""

from __future__ import annotations

import struct

from eventstore.encryption.cipher import Cipher, CipherError
from eventstore.realtime.frames import ENCRYPTED
from eventstore.segments.rows import Row

# Where the audio was cut out (see realtime/frames.py), and the bytes of the frame's text.
_HEAD = struct.Struct("<iI")
_WHOLE = -(2**31)

Content = tuple[str, int | None, bytes | None]


def encrypt_content(
    cipher: Cipher, seq: int, frame: str, audio_offset: int | None, audio: bytes | None
) -> bytes:
    """What the column holds, of an event's frame and audio."""
    text = frame.encode()
    head = _HEAD.pack(_WHOLE if audio_offset is None else audio_offset, len(text))
    return cipher.encrypt(head + text + (audio or b""), f"event {seq}")


def encrypted_columns(
    cipher: Cipher, seq: int, frame: str, audio_offset: int | None, audio: bytes | None
) -> tuple[str, int, bytes]:
    """`frame`, `audio_offset` and `audio` of the table, of an event that is to be encrypted."""
    return "", ENCRYPTED, encrypt_content(cipher, seq, frame, audio_offset, audio)


def decrypt_content(cipher: Cipher, seq: int, data: bytes) -> Content:
    """An event's frame, where its audio was cut out, and the audio.

    Raises:
        CipherError: it cannot be decrypted.
    """
    plain = cipher.decrypt(data, f"event {seq}")
    offset, size = _HEAD.unpack_from(plain)
    begin = _HEAD.size + size
    if begin > len(plain):
        raise CipherError("it is shorter than it says")
    text = plain[_HEAD.size : begin].decode()
    return (text, None, None) if offset == _WHOLE else (text, offset, plain[begin:])


def decrypt_row(cipher: Cipher, row: Row) -> Row:
    """An event, decrypted; one that is not encrypted is left as it is.

    Raises:
        CipherError: it cannot be decrypted.
    """
    if row.audio_offset != ENCRYPTED:
        return row
    seq, at, direction, type_, _, _, size, data = row
    frame, offset, audio = decrypt_content(cipher, seq, data or b"")
    if offset is None or offset < 0:
        size = None if audio is None else len(audio)
    return Row(seq, at, direction, type_, frame, offset, size, audio)
