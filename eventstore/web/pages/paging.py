"""Pages of a list: which one an address means, and the addresses of those beside it. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.datastructures import QueryParams

from eventstore.store.queries.pages import Page
from eventstore.web.pages.filters import ORDER, address, given

LIMIT = 25
_BY_TIME = ("started", "created")


class Turned(NamedTuple):
    """The addresses of the pages before and behind; None where there is none.

    Attributes:
        by_time: whether they are newer and older ones, in this order.
    """

    newer: str | None
    older: str | None
    by_time: bool = True


def paging_of(query: QueryParams) -> dict[str, Any]:
    """What the store takes, how it is sorted included; `after` wins over `before`."""
    after, before = query.get("after"), query.get("before")
    found: dict[str, Any] = {"limit": LIMIT, **given(query, ORDER)}
    if after:
        return found | {"after": after}
    return found | {"before": before} if before else found


def turned(query: QueryParams, found: Page[Any], path: str = "/") -> Turned:
    """What lies beside a page that was found."""
    backwards = bool(query.get("before")) and not query.get("after")
    newer = found.has_more if backwards else bool(query.get("after"))
    older = True if backwards else found.has_more
    return Turned(
        address(path, query, after=None, before=found.first_id) if newer and found.data else None,
        address(path, query, before=None, after=found.last_id) if older and found.data else None,
        by_time=query.get("sort", "") in ("", *_BY_TIME) and query.get("order", "") != "asc",
    )
