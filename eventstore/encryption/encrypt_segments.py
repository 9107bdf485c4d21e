"""Encrypt and decrypt the bytes of a segment as a whole. A mark stands before the ciphertext.

Called by what stores and reads segments (store/sessions, store/log) and by verify. With `MARK`, the
ciphertext is bound to all that the log says of the segment: its events, times, sizes and digests.
With `OLD_MARK`, which older versions wrote, it is bound to the first event's seq alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.encryption.cipher import Cipher

OLD_MARK = b"eventstore encrypted segment 1\n"
MARK = b"eventstore encrypted segment 2\n"

#: The values that the log has of a segment, in the order in which the ciphertext is bound to them:
#: first and last seq, first and least time, bytes, two digests.
SegmentFacts = Sequence[int | bytes | None]


def is_encrypted_segment(data: bytes) -> bool:
    """Return True if a segment's bytes are encrypted."""
    return data.startswith((MARK, OLD_MARK))


def is_bound_segment(data: bytes) -> bool:
    """Return True if a segment's bytes are encrypted, and bound to all that the log says of it."""
    return data.startswith(MARK)


def encrypt_segment(cipher: Cipher, said: SegmentFacts, data: bytes) -> bytes:
    """Encrypt a segment's bytes. Bytes that are encrypted already are returned as they are."""
    if is_encrypted_segment(data):
        return data
    return MARK + cipher.encrypt(data, _place(said))


def decrypt_segment(cipher: Cipher, said: SegmentFacts, data: bytes) -> bytes:
    """Decrypt a segment's bytes.

    Args:
        cipher: The session's cipher.
        said: The values that the log has of the segment.
        data: The encrypted bytes.

    Raises:
        CipherError: The bytes, or the values in the log, were changed.
    """
    if is_bound_segment(data):
        return cipher.decrypt(data[len(MARK) :], _place(said))
    return cipher.decrypt(data[len(OLD_MARK) :], f"segment {_text(said[0])}")


def _place(said: SegmentFacts) -> str:
    return "\0".join(["segment 2", *map(_text, said)])


def _text(one: int | bytes | None) -> str:
    return one.hex() if isinstance(one, bytes) else str(one)
