"""Read a page of encrypted rows that pass a condition on their text, which no index knows.

Called by queries/query_responses.py and queries/session_pages.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from eventstore.store.database.transaction import Row
from eventstore.store.filters.filters import MAX_LIMIT, Paging

AnyPaging = TypeVar("AnyPaging", bound=Paging)


def scan_page(
    paging: AnyPaging,
    read_page: Callable[[AnyPaging], list[Row]],
    passes: Callable[[Row], bool],
    cursor_of: Callable[[Row], str],
) -> list[Row]:
    """Return the rows of a page that pass a function, reading rows in order until the page is full.

    Args:
        paging: The page that is asked for.
        read_page: Returns the rows of a page, and one more if there are more.
        passes: Returns True if a row is wanted.
        cursor_of: Returns the value of `after` that names a row.

    Returns:
        The page's rows, and one more if there are more.
    """
    found: list[Row] = []
    page = replace(paging, limit=MAX_LIMIT)
    while True:
        rows = read_page(page)
        for row in rows[:MAX_LIMIT]:
            if passes(row):
                found.append(row)
                if len(found) > paging.limit:
                    return found
        if len(rows) <= MAX_LIMIT:
            return found
        last = cursor_of(rows[MAX_LIMIT - 1])
        page = replace(page, after=last) if paging.before is None else replace(page, before=last)
