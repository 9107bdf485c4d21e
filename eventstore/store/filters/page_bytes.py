"""Limit the bytes of a page of a list, in addition to the number of its entries.

A resource can have megabytes of instructions, tools or texts. A page ends before the entry with
which it would be too large, and says that more entries follow. It has at least one entry. Used by
the lists of queries/ and web/api/events.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters.filters import Paging

#: How many bytes the entries of a page have in the database at most, unless one alone has more.
PAGE_BYTES = 16 * 1024 * 1024
# Larger texts are not selected with their row. They are read one by one.
_LIGHT = 256 * 1024


def small_texts(tx: Transaction, texts: Sequence[str]) -> str:
    """Return SQL of columns: each text, or NULL if a row's texts are large, and their bytes."""
    # SQLite 3.40 has no OCTET_LENGTH; its LENGTH counts the characters of a text.
    length = "OCTET_LENGTH" if tx.postgresql else "LENGTH"
    size = " + ".join(f"{length}({text})" for text in texts)
    return ", ".join([*(f"CASE WHEN {size} <= {_LIGHT} THEN {text} END" for text in texts), size])


def rows_that_fit(
    paging: Paging, rows: list[Row], size: Callable[[Row], int]
) -> tuple[list[Row], bool]:
    """Return the rows of a page, in its order, and True if more entries follow.

    Args:
        rows: The rows as they were read, with one more than the page's limit if there are more.
        size: Returns the bytes of a row's texts.
    """
    kept, total = rows[: paging.limit], 0
    for number, row in enumerate(kept):
        total += size(row)
        if total > PAGE_BYTES and number:
            kept = kept[:number]
            break
    return kept if paging.before is None else kept[::-1], len(rows) > len(kept)
