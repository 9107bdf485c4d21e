"""The page `/`: a form with filters, and the sessions that match, with live ones marked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from eventstore.web.pages.filters import (
    OPERATORS,
    conditions_of,
    day_range,
    named_parameters,
    rows_of,
)
from eventstore.web.pages.paging import pager_links, paging_of
from eventstore.web.pages.rendering import page
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.requests import MayRead, ScopedQueries

router = APIRouter(include_in_schema=False, route_class=PlacedRoute)

SESSION_STATUSES = {
    "live": "live now",
    "ended": "ended",
    "interrupted": "interrupted",
    "errors": "with errors",
}
SESSION_SORTS = {
    "started": "newest",
    "duration": "longest",
    "cost": "most expensive",
    "latency": "slowest answer",
    "turns": "most turns",
    "interruptions": "most interrupted",
}
#: The filters by numbers: the name of each, its label in the form, and the step of its input.
NUMBERS = (
    ("min_duration", "Duration at least (s)", "any"),
    ("max_duration", "Duration at most (s)", "any"),
    ("min_latency", "Slowest answer at least (s)", "any"),
    ("min_cost", "Cost at least ($)", "any"),
    ("min_turns", "Turns at least", "1"),
    ("min_interruptions", "Interruptions at least", "1"),
)
_PLAIN = {"model": "model", "status": "status", "q": "text"} | {
    name: name
    for name in (
        *("protocol", "tool", "reason", "language", "score", "label"),
        *(number[0] for number in NUMBERS),
    )
}


@router.get("/")
def show_sessions(request: Request, access: MayRead, queries: ScopedQueries) -> Response:
    """Show the sessions that match the address."""
    query = request.query_params
    rows, plain = rows_of(query), named_parameters(query, _PLAIN)
    filters: dict[str, Any] = {**plain, **day_range(query), "metadata": conditions_of(rows)}
    sessions = queries.sessions(summary=True, **paging_of(query), **filters)
    return page(
        request,
        "session_list.html",
        title="Sessions",
        query=query,
        rows=rows,
        operators=OPERATORS,
        statuses=SESSION_STATUSES,
        sorts=SESSION_SORTS,
        numbers=NUMBERS,
        models=queries.models(),
        filtered=bool(rows or plain or query.get("from") or query.get("to")),
        sessions=sessions.data,
        turn=pager_links(query, sessions),
        # A look for those of a tenant would read those of all others first.
        given_up=access.scope is None and bool(queries.dead_letter_page(limit=1)),
    )
