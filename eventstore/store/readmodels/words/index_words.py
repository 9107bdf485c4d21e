"""Return the tokens of an item's row in the form that each database's search index takes.

Called by upsert.py (PostgreSQL) and search_index.py (SQLite).
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from eventstore.encryption import encrypt_read_models
from eventstore.store.database.tables import declared as tables
from eventstore.store.readmodels.words.searched_text import searched_text

if TYPE_CHECKING:
    from eventstore.store.database.transaction import Row

#: The column with an item's words on PostgreSQL. SQLite has them in the table `said`.
WORDS = "said_words"

_NAMES = list(tables.items.columns.keys())
_TEXTS = itemgetter(*map(_NAMES.index, ("type", "said", "resource")))


def item_tokens(row: Row) -> list[str]:
    """Return the tokens of an item's row, in order; an encrypted row has none."""
    type_, said, resource = _TEXTS(row)
    if encrypt_read_models.has_encrypted_texts((said, resource)):
        return []
    return searched_text(type_, said, resource).tokens()


def fts_words(row: Row) -> str:
    """Return the tokens of an item's row for SQLite's index, separated by spaces."""
    return " ".join(item_tokens(row))


def tsvector_of(row: Row) -> str | None:
    """Return the tokens of an item's row as the text of a `tsvector`, or None if there are none.

    For example, `'東京':1 'ann':2,5`: each token with the positions at which it occurs.
    """
    places: dict[str, list[int]] = {}
    for place, token in enumerate(item_tokens(row), 1):
        places.setdefault(token, []).append(place)
    words = (f"'{token}':{','.join(map(str, found))}" for token, found in places.items())
    return " ".join(words) or None
