"""Which page of a list an address means, and the addresses of the pages next to it. Pure.

Called by `session_list.py` and `response_list.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.datastructures import QueryParams

from eventstore.store.queries.pages import Page
from eventstore.web.pages.filters import ORDER, address, named_parameters

LIMIT = 25
_BY_TIME = ("started", "created")


class PagerLinks(NamedTuple):
    """The addresses of the pages before and after a page.

    Attributes:
        newer: The address of the page before; None if there is none.
        older: The address of the page after; None if there is none.
        by_time: True if the list is sorted from new to old, so that the page before has newer
            entries.
    """

    newer: str | None
    older: str | None
    by_time: bool = True


def paging_of(query: QueryParams) -> dict[str, Any]:
    """Return the store's arguments for a page and its sorting; `after` wins over `before`."""
    after, before = query.get("after"), query.get("before")
    page: dict[str, Any] = {"limit": LIMIT, **named_parameters(query, ORDER)}
    if after:
        return page | {"after": after}
    return page | {"before": before} if before else page


def pager_links(query: QueryParams, page: Page[Any], path: str = "/") -> PagerLinks:
    """Return the addresses of the pages before and after a page.

    Args:
        query: The query of the page's own address.
        page: The page.
        path: The path of its address.
    """
    backwards = bool(query.get("before")) and not query.get("after")
    newer = page.has_more if backwards else bool(query.get("after"))
    older = True if backwards else page.has_more
    return PagerLinks(
        address(path, query, after=None, before=page.first_id) if newer and page.data else None,
        address(path, query, before=None, after=page.last_id) if older and page.data else None,
        by_time=query.get("sort", "") in ("", *_BY_TIME) and query.get("order", "") != "asc",
    )
