"""Encrypted segments: a segment's bytes, whole, behind a mark."""

from __future__ import annotations

from eventstore.encryption.cipher import Cipher

MARK = b"eventstore encrypted segment 1\n"


def is_encrypted(data: bytes) -> bool:
    """Whether a segment's bytes are encrypted."""
    return data.startswith(MARK)


def encrypt_segment(cipher: Cipher, first_seq: int, data: bytes) -> bytes:
    """A segment's bytes, encrypted; those that are already are left as they are."""
    if is_encrypted(data):
        return data
    return MARK + cipher.encrypt(data, f"segment {first_seq}")


def decrypt_segment(cipher: Cipher, first_seq: int, data: bytes) -> bytes:
    """A segment's bytes, of encrypted ones.

    Raises:
        CipherError: they cannot be decrypted.
    """
    return cipher.decrypt(data[len(MARK) :], f"segment {first_seq}")
