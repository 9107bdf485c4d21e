"""Encrypted rows of read models: their texts together, in the last column of them.

Each column of text that says something begins with `SIGN`, which no search index takes for a word;
what is filtered on (ids, times, counts, model, voice, status, metadata) stays readable.
"""

from __future__ import annotations

from typing import Any

import pybase64

from eventstore.encryption.cipher import Cipher, CipherError

Row = tuple[Any, ...]

#: What no JSON and nothing that was said begins with: a row is encrypted where its last text does.
ENCRYPTED_SIGN = "\u0001"
_SEPARATOR = "\0"

#: Columns of text, by table; each table's row begins with its key.
TEXT_COLUMNS = {
    "sessions": ("wire", "notes"),
    "items": ("said", "resource"),
    "responses": ("resource",),
}

#: Tables that have no rows of an encrypted session: they would tell what is in its resources.
TABLES_WITHOUT_ROWS = frozenset({"session_facets", "response_facets"})


def encrypt_texts(cipher: Cipher, table: str, key: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """What the columns hold, of a row's texts.

    Args:
        key: of the row, within the session.
    """
    plain = _SEPARATOR.join(texts).encode()
    data = pybase64.b64encode_as_string(cipher.encrypt(plain, f"{table} {key}"))
    return (*(ENCRYPTED_SIGN if text else "" for text in texts[:-1]), ENCRYPTED_SIGN + data)


def decrypt_texts(cipher: Cipher, table: str, key: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """A row's texts, of what its columns hold.

    Raises:
        CipherError: they cannot be decrypted.
    """
    try:
        data = pybase64.b64decode(texts[-1][len(ENCRYPTED_SIGN) :], validate=True)
    except ValueError as error:
        raise CipherError("it is no base64") from error
    return tuple(cipher.decrypt(data, f"{table} {key}").decode().split(_SEPARATOR))


def has_encrypted_texts(texts: tuple[str, ...]) -> bool:
    """Whether columns hold encrypted texts."""
    return texts[-1].startswith(ENCRYPTED_SIGN)
