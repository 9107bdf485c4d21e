"""The page `/responses`: a form with filters, and the responses that match as a table."""

from __future__ import annotations

import shlex
from typing import Any

from fastapi import APIRouter, Request, Response

from eventstore.realtime.masking.mask import mask_value
from eventstore.store.queries.pages import Page
from eventstore.web.pages.filters import (
    OPERATORS,
    ORDER,
    FilterRow,
    conditions_of,
    day_range,
    named_parameters,
    rows_of,
)
from eventstore.web.pages.paging import pager_links, paging_of
from eventstore.web.pages.rendering import page
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.requests import ScopedQueries

router = APIRouter(include_in_schema=False, route_class=PlacedRoute)

RESPONSE_STATUSES = ("completed", "cancelled", "failed", "incomplete", "in_progress")
RESPONSE_SORTS = {
    "created": "newest",
    "latency": "slowest answer",
    "duration": "longest",
    "tokens": "most tokens",
}
_PLAIN = {
    name: name
    for name in (
        *("status", "reason", "model", "voice", "modality", "kind"),
        *("session", "tool", "language"),
        *("min_tokens", "min_latency", "min_duration", "score", "label"),
    )
} | {"q": "text"}


@router.get("/responses")
def show_responses(request: Request, queries: ScopedQueries) -> Response:
    """Show the responses that match the address."""
    query = request.query_params
    rows, plain, days = rows_of(query), named_parameters(query, _PLAIN), day_range(query)
    filters: dict[str, Any] = {**plain, **days, "metadata": conditions_of(rows)}
    responses = queries.responses(**paging_of(query), **filters)
    return page(
        request,
        "response_list.html",
        title="Responses",
        query=query,
        rows=rows,
        operators=OPERATORS,
        statuses=RESPONSE_STATUSES,
        sorts=RESPONSE_SORTS,
        models=queries.models(),
        filtered=bool(rows or plain or days),
        responses=responses.data,
        of_session={one: mask_value(queries.metadata(one)) for one in _sessions(responses)},
        turn=pager_links(query, responses, "/responses"),
        command=_command(rows, {**plain, **days, **named_parameters(query, ORDER)}),
    )


def _sessions(responses: Page[Any]) -> set[str]:
    return {response["eventstore"]["session_id"] for response in responses.data}


def _command(rows: list[FilterRow], filters: dict[str, str]) -> str:
    """Return the command that lists the same responses in a shell."""
    words = ["eventstore", "responses"]
    for row in rows:
        words += ["--metadata", row.key if row.op == "has" else f"{row.key}{row.op}{row.value}"]
    for name, value in filters.items():
        words += [f"--{name.replace('_', '-')}", value]
    return shlex.join(words)
