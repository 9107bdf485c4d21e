"""Lists are bounded by their bytes, not by the number of their entries alone.

A resource may have megabytes: instructions, tools, texts. A page of a list ends before the entry
with which it would be too large, and says that more follow; one entry is always on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters.filters import Paging

#: Bytes of the entries of a page, as the database has them, unless one alone has more.
PAGE_BYTES = 16 * 1024 * 1024
# Texts up to this size come with their row; larger ones are read when their turn has come.
_LIGHT = 256 * 1024


def small_texts(tx: Transaction, texts: Sequence[str]) -> str:
    """Return SQL of columns: texts, each NULL where they are large together, and their bytes."""
    # SQLite 3.40 has no OCTET_LENGTH; LENGTH counts a text's characters.
    length = "OCTET_LENGTH" if tx.postgresql else "LENGTH"
    size = " + ".join(f"{length}({text})" for text in texts)
    return ", ".join([*(f"CASE WHEN {size} <= {_LIGHT} THEN {text} END" for text in texts), size])


def rows_that_fit(
    paging: Paging, rows: list[Row], size: Callable[[Row], int]
) -> tuple[list[Row], bool]:
    """Choose the rows of a page.

    Args:
        rows: as they were read, and one more than the page has where more follow.
        size: the bytes of a row's texts.

    Returns:
        The page's rows in its order, and whether more follow.
    """
    wanted, total = rows[: paging.limit], 0
    for number, row in enumerate(wanted):
        total += size(row)
        if total > PAGE_BYTES and number:
            wanted = wanted[:number]
            break
    return wanted if paging.before is None else wanted[::-1], len(rows) > len(wanted)
