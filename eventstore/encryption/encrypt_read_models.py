"""Encrypt and decrypt rows of read models: the texts of a row become one ciphertext.

Called by store/readmodels/encrypted_rows.py. The ciphertext of all texts is in the last text column
of the row. Each text column that has content begins with `ENCRYPTED_SIGN`, which no search index
takes for a word. The columns that queries filter by (ids, times, counts, model, voice, status,
metadata, and the names and numbers of scores) stay readable.
"""

from __future__ import annotations

import pybase64

from eventstore.encryption.cipher import Cipher, CipherError

#: A row is encrypted if its last text begins with this character. No JSON text begins with it.
ENCRYPTED_SIGN = "\u0001"
_SEPARATOR = "\0"

#: The text columns of each table.
TEXT_COLUMNS = {
    "sessions": ("wire", "notes"),
    "items": ("said", "resource"),
    "responses": ("resource",),
    "scores": ("label", "resource"),
}

#: Tables without rows of encrypted sessions, because such rows would tell content.
TABLES_WITHOUT_ROWS = frozenset({"session_facets", "response_facets"})


def encrypt_texts(cipher: Cipher, table: str, key: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Encrypt the texts of a row, and return what its text columns have.

    Args:
        cipher: The session's cipher.
        table: The name of the row's table.
        key: The row's key within the session.
        texts: The texts, in the order of `TEXT_COLUMNS`.
    """
    plain = _SEPARATOR.join(texts).encode()
    data = pybase64.b64encode_as_string(cipher.encrypt(plain, f"{table} {key}"))
    return (*(ENCRYPTED_SIGN if text else "" for text in texts[:-1]), ENCRYPTED_SIGN + data)


def decrypt_texts(cipher: Cipher, table: str, key: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Decrypt the text columns of a row, and return its texts.

    Args:
        cipher, table, key: As they were given to `encrypt_texts`.
        texts: What the text columns have.

    Raises:
        CipherError: The texts were changed or moved, or are under another key.
    """
    try:
        data = pybase64.b64decode(texts[-1][len(ENCRYPTED_SIGN) :], validate=True)
    except ValueError as error:
        raise CipherError("it is no base64") from error
    return tuple(cipher.decrypt(data, f"{table} {key}").decode().split(_SEPARATOR))


def has_encrypted_texts(texts: tuple[str, ...]) -> bool:
    """Return True if the text columns of a row are encrypted."""
    return texts[-1].startswith(ENCRYPTED_SIGN)
