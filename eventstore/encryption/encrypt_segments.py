"""Encrypted segments: a segment's bytes, whole, behind a mark.

The second mark says that they are bound to all that the log says of the segment: its events, times,
sizes and digests. The first one is what older versions wrote: bound to the first event alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.encryption.cipher import Cipher

OLD_MARK = b"eventstore encrypted segment 1\n"
MARK = b"eventstore encrypted segment 2\n"

#: What the log says of a segment: first and last seq, first and least time, bytes, two digests.
SegmentFacts = Sequence[int | bytes | None]


def is_encrypted_segment(data: bytes) -> bool:
    """Return True if a segment's bytes are encrypted."""
    return data.startswith((MARK, OLD_MARK))


def is_bound_segment(data: bytes) -> bool:
    """Return True if a segment's bytes are encrypted, and bound to all that the log says."""
    return data.startswith(MARK)


def encrypt_segment(cipher: Cipher, said: SegmentFacts, data: bytes) -> bytes:
    """A segment's bytes, encrypted; those that are already are left as they are."""
    if is_encrypted_segment(data):
        return data
    return MARK + cipher.encrypt(data, _place(said))


def decrypt_segment(cipher: Cipher, said: SegmentFacts, data: bytes) -> bytes:
    """A segment's bytes, of encrypted ones.

    Raises:
        CipherError: they cannot be decrypted, or the log says other things of them.
    """
    if is_bound_segment(data):
        return cipher.decrypt(data[len(MARK) :], _place(said))
    return cipher.decrypt(data[len(OLD_MARK) :], f"segment {_text(said[0])}")


def _place(said: SegmentFacts) -> str:
    return "\0".join(["segment 2", *map(_text, said)])


def _text(one: int | bytes | None) -> str:
    return one.hex() if isinstance(one, bytes) else str(one)
