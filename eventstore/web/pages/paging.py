"""Which page of a list an address means, and the addresses of the pages next to it. Pure.

Called by `session_list.py` and `response_list.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.datastructures import QueryParams

from eventstore.store.queries.pages import Page
from eventstore.web.pages.filters import ORDER, address, given

LIMIT = 25
_BY_TIME = ("started", "created")


class Turned(NamedTuple):
    """The addresses of the pages before and after a page.

    Attributes:
        newer: the address of the page before; None if there is none.
        older: the address of the page after; None if there is none.
        by_time: True if the list is sorted from new to old, so that the page before has newer
            entries.
    """

    newer: str | None
    older: str | None
    by_time: bool = True


def paging_of(query: QueryParams) -> dict[str, Any]:
    """Return the store's arguments for a page and its sorting; `after` wins over `before`."""
    after, before = query.get("after"), query.get("before")
    found: dict[str, Any] = {"limit": LIMIT, **given(query, ORDER)}
    if after:
        return found | {"after": after}
    return found | {"before": before} if before else found


def turned(query: QueryParams, found: Page[Any], path: str = "/") -> Turned:
    """Return the addresses of the pages before and after a page.

    Args:
        query: the query of the page's own address.
        found: the page.
        path: the path of its address.
    """
    backwards = bool(query.get("before")) and not query.get("after")
    newer = found.has_more if backwards else bool(query.get("after"))
    older = True if backwards else found.has_more
    return Turned(
        address(path, query, after=None, before=found.first_id) if newer and found.data else None,
        address(path, query, before=None, after=found.last_id) if older and found.data else None,
        by_time=query.get("sort", "") in ("", *_BY_TIME) and query.get("order", "") != "asc",
    )
