"""Pages of a list: which one an address means, and the addresses of those beside it. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.datastructures import QueryParams

from eventstore.store.query_responses import Page
from eventstore.web.pages.filters import address

LIMIT = 25


class Turned(NamedTuple):
    """The addresses of the pages before and behind; None where there is none."""

    newer: str | None
    older: str | None


def paging_of(query: QueryParams) -> dict[str, Any]:
    """What the store takes; `after` wins over `before`."""
    after, before = query.get("after"), query.get("before")
    if after:
        return {"limit": LIMIT, "after": after}
    return {"limit": LIMIT, "before": before} if before else {"limit": LIMIT}


def turned(query: QueryParams, found: Page, path: str = "/") -> Turned:
    """What lies beside a page that was found."""
    backwards = bool(query.get("before")) and not query.get("after")
    newer = found.has_more if backwards else bool(query.get("after"))
    older = True if backwards else found.has_more
    return Turned(
        address(path, query, after=None, before=found.first_id) if newer and found.data else None,
        address(path, query, before=None, after=found.last_id) if older and found.data else None,
    )
