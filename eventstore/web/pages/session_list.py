"""The page of sessions: newest first, live ones marked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from eventstore.web.pages.filters import (
    OPERATORS,
    conditions_of,
    day_range,
    given,
    rows_of,
)
from eventstore.web.pages.paging import paging_of, turned
from eventstore.web.pages.rendering import page
from eventstore.web.paths import PlacedRoute
from eventstore.web.requests import Seen

router = APIRouter(include_in_schema=False, route_class=PlacedRoute)

STATUSES = {
    "live": "live now",
    "ended": "ended",
    "interrupted": "interrupted",
    "errors": "with errors",
}
_PLAIN = {"model": "model", "status": "status", "q": "text"}


@router.get("/")
def show_sessions(request: Request, queries: Seen) -> Response:
    """Sessions that match the address."""
    query = request.query_params
    rows, plain = rows_of(query), given(query, _PLAIN)
    filters: dict[str, Any] = {**plain, **day_range(query), "metadata": conditions_of(rows)}
    found = queries.sessions(summary=True, **paging_of(query), **filters)
    return page(
        request,
        "session_list.html",
        title="Sessions",
        query=query,
        rows=rows,
        operators=OPERATORS,
        statuses=STATUSES,
        models=queries.models(),
        filtered=bool(rows or plain or query.get("from") or query.get("to")),
        sessions=found.data,
        turn=turned(query, found),
    )
