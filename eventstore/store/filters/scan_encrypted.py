"""A page of those rows that pass what no index knows, since what was said is encrypted."""

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
    """Rows in the order in which they are read, each looked at in its turn.

    Args:
        read_page: the rows of a page, and one more where more follow.
        passes: whether a row is wanted.
        cursor_of: what a page behind a row begins with.

    Returns:
        The page's rows, and one more where more follow.
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
