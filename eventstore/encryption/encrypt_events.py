"""Encrypt and decrypt rows of events: a frame and its audio become one ciphertext.

Called by what appends events and by what reads the log (store/log). In an encrypted row, `frame` is
empty, the column `audio` has the ciphertext, and `audio_offset` is one of these:

- `BOUND_TEXT`: The ciphertext is of the frame's text alone. It is bound to the session and to the
  row's seq, time, direction and type. None of these can be changed unnoticed.
- `BOUND`: The same, of a frame from which audio was cut out, or that is no text. Behind a head with
  the sizes, the ciphertext contains the text and the audio. Older versions wrote every frame so.
- `ENCRYPTED`: Still older versions wrote this. The ciphertext is bound to the session and the seq
  alone, and its head does not have the size of the audio.

The row's other columns stay readable: finding, ordering and counting events needs no key. Each
event has a ciphertext of its own, so that any event can be read alone: docs/adr/0055.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from pybase64 import b64encode_as_string

from eventstore.encryption.cipher import NONCE_BYTES, Cipher, nonces
from eventstore.realtime.events import EventRow, StoredEvent
from eventstore.realtime.frames import BOUND, BOUND_TEXT, ENCRYPTED, restore

# The plaintext begins with `audio_offset` (see realtime/frames.py) and the size of the frame's
# text. Then the size of the audio follows, which is known even if the audio was erased.
_HEAD, _OLD_HEAD = struct.Struct("<iIq"), struct.Struct("<iI")
_WHOLE = -(2**31)
_NO_SIZE = -1

#: Encrypts an event that is given by the columns of its row, and returns the columns `frame`,
#: `audio_offset` and `audio` of the encrypted row.
EncryptEvent = Callable[
    [int, int | None, str, str, str, int | None, int | None, bytes | None], tuple[str, int, bytes]
]
# The seq, time, direction and type of an event.
_Place = tuple[int, int | None, str, str]
# This is faster than to call the class, by a third of a microsecond for two rows.
_event_row: Callable[[Sequence[Any]], EventRow] = partial(tuple.__new__, EventRow)
_stored_event: Callable[[Sequence[Any]], StoredEvent] = partial(tuple.__new__, StoredEvent)


def event_encrypter(cipher: Cipher) -> EncryptEvent:
    """Return a function that encrypts many events of a session, one call for each."""
    seal, session, pack, drawn = cipher.aead.encrypt, cipher.session, _HEAD.pack, nonces()

    def encrypt(
        seq: int,
        at: int | None,
        direction: str,
        type_: str,
        frame: str,
        offset: int | None,
        size: int | None,
        audio: bytes | None,
    ) -> tuple[str, int, bytes]:
        nonce, text = next(drawn), frame.encode()
        if offset is None:
            bound = f"event 3\0{seq}\0{at}\0{direction}\0{type_}".encode() + session
            return "", BOUND_TEXT, nonce + seal(nonce, text, bound)
        head = pack(offset, len(text), _NO_SIZE if size is None else size)
        plain = b"".join((head, text, audio or b""))
        bound = f"event 2\0{seq}\0{at}\0{direction}\0{type_}".encode() + session
        return "", BOUND, nonce + seal(nonce, plain, bound)

    return encrypt


def decrypt_rows(cipher: Cipher, rows: Iterable[Sequence[Any]]) -> list[EventRow]:
    """Decrypt rows of events, which have the columns of `EventRow`.

    A row that is not encrypted is returned as it is, and so is one that was changed or moved, or is
    under another key: its `audio_offset` then still says that it is encrypted.
    """
    return _decrypted(cipher, rows, _event_row, (None, None, None), _row_with_audio)


def decrypt_frames(cipher: Cipher, rows: Iterable[Sequence[Any]]) -> list[StoredEvent | EventRow]:
    """Decrypt rows as `decrypt_rows` does, into events with their frames as they crossed the wire.

    This is faster than to restore the frames of decrypted rows. The columns of an event need no
    check, because its ciphertext is bound to them.

    Returns:
        The events. Rows that `decrypt_rows` returns as they are, and rows of still older versions,
        are among them as rows.
    """
    return _decrypted(cipher, rows, _stored_event, (), _event_with_audio)


def _decrypted(
    cipher: Cipher,
    rows: Iterable[Sequence[Any]],
    new: Callable[[tuple[Any, ...]], Any],
    behind_text: tuple[None, ...],
    with_audio: Callable[[_Place, str, int, int | None, memoryview], Any],
) -> list[Any]:
    """Decrypt rows, and make something of each.

    Args:
        new: Makes it of an event without audio: of the first four columns, the text and
            `behind_text`.
        with_audio: Makes it of an event with audio: of the first four columns, the text,
            `audio_offset`, the size of the audio, and the audio.
    """
    # As few calls as possible: reading an event takes three to four microseconds in all.
    open_, session, nonce = cipher.aead.decrypt, cipher.session, NONCE_BYTES
    unpack, begin = _HEAD.unpack_from, _HEAD.size
    found: list[Any] = []
    add = found.append
    for row in rows:
        seq, at, direction, type_, _, kind, _, data = row
        try:
            if type(at) is str:  # A text "None" is bound like the absence of a time.
                add(_event_row(row))
            elif kind == BOUND_TEXT:
                bound = f"event 3\0{seq}\0{at}\0{direction}\0{type_}".encode() + session
                text = open_(data[:nonce], data[nonce:], bound).decode()
                add(new((seq, at, direction, type_, text, *behind_text)))
            elif kind == BOUND:
                bound = f"event 2\0{seq}\0{at}\0{direction}\0{type_}".encode() + session
                plain = open_(data[:nonce], memoryview(data)[nonce:], bound)  # not copied
                offset, length, size = unpack(plain)
                end = begin + length
                text = plain[begin:end].decode()
                if offset == _WHOLE:
                    add(new((seq, at, direction, type_, text, *behind_text)))
                else:
                    place = (seq, at, direction, type_)
                    add(with_audio(place, text, offset, size, memoryview(plain)[end:]))
            elif kind == ENCRYPTED:
                add(_older_row(cipher, row))
            else:
                add(_event_row(row))
        except Exception:  # InvalidTag, or an error about a value that no ciphertext has.
            add(_event_row(row))
    return found


def _row_with_audio(
    place: _Place, text: str, offset: int, size: int | None, audio: memoryview
) -> EventRow:
    # A whole frame that was kept as bytes has no size in the head.
    return _event_row((*place, text, offset, size if offset >= 0 else len(audio), bytes(audio)))


def _event_with_audio(
    place: _Place, text: str, offset: int, size: int | None, audio: memoryview
) -> StoredEvent:
    if offset < 0:
        return _stored_event((*place, restore(text, offset, bytes(audio))))
    encoded = b64encode_as_string(audio)
    return _stored_event((*place, f"{text[:offset]}{encoded}{text[offset:]}"))


def _older_row(cipher: Cipher, row: Sequence[Any]) -> EventRow:
    seq, at, direction, type_, _, _, size, data = row
    plain = cipher.decrypt(data, f"event {seq}")
    offset, length = _OLD_HEAD.unpack_from(plain)
    begin = _OLD_HEAD.size
    end = begin + length
    text = plain[begin:end].decode()
    if offset == _WHOLE:
        return _event_row((seq, at, direction, type_, text, None, None, None))
    return _row_with_audio((seq, at, direction, type_), text, offset, size, memoryview(plain)[end:])
