"""A session's cipher: AES-256-GCM, each text bound to its place.

A nonce is random, 96 bits, and stands before what it was used for: NIST SP 800-38D allows 2^32 of
them under one key, and no session comes near. The place is authenticated with the text, so that
what stands in one row cannot be put into another.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from eventstore.errors import MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12


class CipherError(ValueError):
    """What was to be decrypted was changed, moved, or is under another key."""


class Cipher:
    """Encrypts and decrypts one session's content.

    Args:
        session_id: the session.
        key: its key, of `KEY_BYTES`.
        from_seq: the event from which on the session was encrypted; None where it is not known.

    Raises:
        MissingExtraError: the package that encrypts is not installed.
    """

    __slots__ = ("_aead", "_session", "from_seq")

    def __init__(self, session_id: str, key: bytes, from_seq: int | None = None) -> None:
        self.from_seq = from_seq
        self._session = b"\0" + session_id.encode("utf-8", "surrogatepass")
        self._aead = _aes_gcm(key)

    def encrypt(self, data: bytes, place: str) -> bytes:
        """The data, encrypted.

        Args:
            place: what it is, within the session: the same is to be given to decrypt it.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, data, self._bound(place))

    def decrypt(self, data: bytes, place: str) -> bytes:
        """What was encrypted.

        Raises:
            CipherError: it was not, by this key for this place, or it was changed since.
        """
        nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        try:
            return self._aead.decrypt(nonce, sealed, self._bound(place))
        except Exception as error:  # its own kinds: InvalidTag, and ValueError for a short nonce
            raise CipherError("it cannot be decrypted: it was changed, or moved") from error

    def _bound(self, place: str) -> bytes:
        return place.encode("utf-8", "surrogatepass") + self._session


def check_installed() -> None:
    """Look for the package that encrypts, before anything waits to be.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec("cryptography") is None:
        raise MissingExtraError("cryptography", "encryption")


def new_key() -> bytes:
    """A key for a session."""
    return os.urandom(KEY_BYTES)


def _aes_gcm(key: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise MissingExtraError("cryptography", "encryption") from error
    return AESGCM(key)
