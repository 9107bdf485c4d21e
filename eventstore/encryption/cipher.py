"""Encrypt and decrypt a session's content with AES-256-GCM, bound to its place in the session.

Called by the other modules of this room. Each ciphertext begins with its nonce, 96 random bits.
NIST SP 800-38D (section 8.3) allows 2^32 random nonces under one key, and no session has so many
rows. The place is authenticated with the content (as additional data), so that the ciphertext of
one row cannot be moved into another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from eventstore.errors import MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
# How many nonces are drawn at once, at most.
_MOST_NONCES = 128


class CipherError(ValueError):
    """A ciphertext was changed or moved, or was made with another key."""


class Cipher:
    """Encrypts and decrypts the content of one session.

    Args:
        session_id: The session's id.
        key: The session's key, of `KEY_BYTES` bytes.
        from_seq: The first event that was encrypted, or None if that is not known.

    Attributes:
        from_seq: As given.
        aead: The algorithm with the key. Only modules of this package use it.
        session: What stands behind each place in the additional data: the session.

    Raises:
        MissingExtraError: The package `cryptography` is not installed.
    """

    __slots__ = ("aead", "from_seq", "session")

    def __init__(self, session_id: str, key: bytes, from_seq: int | None = None) -> None:
        self.from_seq = from_seq
        self.session = b"\0" + session_id.encode("utf-8", "surrogatepass")
        self.aead = _aes_gcm(key)

    def encrypt(self, data: bytes, place: str) -> bytes:
        """Return the ciphertext of data.

        Args:
            data: The data.
            place: The name of the data's place in the session, such as `items item_1`. `decrypt`
                must be given the same one.
        """
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.aead.encrypt(nonce, data, self._bound(place))

    def decrypt(self, data: bytes, place: str) -> bytes:
        """Return the data of a ciphertext.

        Args:
            data: The ciphertext.
            place: The place that was given to `encrypt`.

        Raises:
            CipherError: The ciphertext was changed, or is for another place or another key.
        """
        nonce, sealed = data[:NONCE_BYTES], data[NONCE_BYTES:]
        try:
            return self.aead.decrypt(nonce, sealed, self._bound(place))
        except Exception as error:  # InvalidTag, or ValueError for a nonce that is too short
            raise CipherError("it cannot be decrypted: it was changed, or moved") from error

    def _bound(self, place: str) -> bytes:
        return place.encode("utf-8", "surrogatepass") + self.session


def nonces() -> Iterator[bytes]:
    """Yield random nonces without end, for many ciphertexts in a row.

    They are drawn in bulk, which costs less than drawing each: 1 at first, later `_MOST_NONCES` at
    once. A forked child draws its own, so that no nonce is used by both.
    """
    many = 1
    while True:
        drawn, forks = os.urandom(many * NONCE_BYTES), _forks
        for begin in range(0, len(drawn), NONCE_BYTES):
            if _forks != forks:
                break
            yield drawn[begin : begin + NONCE_BYTES]
        many = min(2 * many, _MOST_NONCES)


def check_installed() -> None:
    """Check that the package `cryptography` is installed, before any data have to be encrypted.

    Raises:
        MissingExtraError: It is not installed.
    """
    if find_spec("cryptography") is None:
        raise MissingExtraError("cryptography", "encryption")


def new_key() -> bytes:
    """Return a new random key for a session."""
    return os.urandom(KEY_BYTES)


def _aes_gcm(key: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise MissingExtraError("cryptography", "encryption") from error
    return AESGCM(key)


# How often this process was forked off: a generator of its parent has nonces that the parent uses.
_forks = 0


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)
