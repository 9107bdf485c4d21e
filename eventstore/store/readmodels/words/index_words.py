"""What a search index stores of an item's row: its tokens, as each database takes them. Pure."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from eventstore.encryption import encrypt_read_models
from eventstore.store.database.tables import declared as tables
from eventstore.store.readmodels.words.searched_text import searched_text

if TYPE_CHECKING:
    from eventstore.store.database.transaction import Row

#: PostgreSQL's column of the words of an item. SQLite has them in a table `said`.
WORDS = "said_words"

_NAMES = list(tables.items.columns.keys())
_TEXTS = itemgetter(*map(_NAMES.index, ("type", "said", "resource")))


def item_tokens(row: Row) -> list[str]:
    """Return the tokens of an item's row, in order; none where it is encrypted."""
    type_, said, resource = _TEXTS(row)
    if encrypt_read_models.has_encrypted_texts((said, resource)):
        return []
    return searched_text(type_, said, resource).tokens()


def fts_words(row: Row) -> str:
    """Return the tokens of an item's row as SQLite's index takes them, parted by spaces."""
    return " ".join(item_tokens(row))


def tsvector_of(row: Row) -> str | None:
    """Return the tokens of an item's row as text of a `tsvector`: `'東京':1 'ann':2,5`.

    Returns:
        None where there are none.
    """
    places: dict[str, list[int]] = {}
    for place, token in enumerate(item_tokens(row), 1):
        places.setdefault(token, []).append(place)
    words = (f"'{token}':{','.join(map(str, found))}" for token, found in places.items())
    return " ".join(words) or None
