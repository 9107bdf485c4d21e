"""The routes of sums over sessions: `/v1/realtime/usage`, `/latency` and `/context`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from eventstore.web.api.responses import Filters
from eventstore.web.server.documents import (
    CREATED,
    METADATA,
    an_object,
    answer,
    documented,
    parameters,
)
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.requests import ScopedQueries

router = APIRouter(prefix="/v1/realtime", tags=["usage"], route_class=PlacedRoute)

By = Annotated[
    str | None,
    Query(
        pattern="^(session|model|day|day,model|metadata:.{1,64})$", description="What to group by."
    ),
]
TOTAL: dict[str, Any] = {
    "responses": 1,
    "input_tokens": 120,
    "output_tokens": 40,
    "cost_usd": 0.01,
    "unpriced_between_usd": None,
}
TIMES: dict[str, Any] = {"answers": 6, "p50_ms": 512.0, "p90_ms": 861.1, "p99_ms": 981.0}
CONTEXT_TURN: dict[str, Any] = {
    "object": "realtime.context",
    "turn": 1,
    "responses": 6,
    "input_tokens": 120.5,
    "cached_tokens": 64.0,
    "output_tokens": 41.8,
}
_CONTEXT = tuple(CONTEXT_TURN["object"] if name == "object" else name for name in CONTEXT_TURN)


def _grouped(kind: str, **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of a list of groups with a total, and an example of one.

    Args:
        kind: The value of the entries' field `object`.
        values: The entries' other fields, with values for the example.
    """
    entry = {"object": kind, **values}
    schema = an_object("list", "by", "data", "total")
    schema["properties"]["data"] = {"type": "array", "items": an_object(kind, "key", *values)}
    schema["properties"]["total"] = an_object(kind, *values)
    by_model = {"object": kind, "key": "gpt-realtime", **values}
    return schema, {"object": "list", "by": "model", "data": [by_model], "total": entry}


@router.get(
    "/usage",
    summary="Sum usage up",
    responses=documented(*_grouped("realtime.usage", **TOTAL)),
    openapi_extra=parameters(METADATA, CREATED),
)
def read_usage(queries: ScopedQueries, filters: Filters, by: By = None) -> Response:
    """Return tokens by modality, with cached ones apart, and their cost; filters as for responses.

    `cost_usd` is null if no price is known; `unpriced` counts and names what it does not contain.
    For tokens whose kind is unknown, `unpriced_between_usd` is the lowest and the highest cost.
    By `day,model`, each entry is of a day and a model: the day is its `key`, the model its `model`.
    """
    return answer(queries.usage(by, **filters))


@router.get(
    "/latency",
    summary="Tell how fast answers came",
    responses=documented(*_grouped("realtime.latency", **TIMES)),
    openapi_extra=parameters(METADATA, CREATED),
)
def read_latency(queries: ScopedQueries, filters: Filters, by: By = None) -> Response:
    """Return the times from the end of the user's speech to the answer's first sound.

    Without speech, a time counts from the response's creation. Half of the answers came within
    `p50_ms`. The times are exact to 2.2 %. The filters are those of responses.
    """
    return answer(queries.latency(by, **filters))


@router.get(
    "/context",
    summary="Tell how contexts grow",
    responses=documented(
        {
            **an_object("list", "data"),
            "properties": {
                "object": {"const": "list"},
                "data": {"type": "array", "items": an_object(*_CONTEXT)},
            },
        },
        {"object": "list", "data": [CONTEXT_TURN]},
    ),
    openapi_extra=parameters(METADATA, CREATED),
)
def read_context(queries: ScopedQueries, filters: Filters) -> Response:
    """Return the mean tokens of a session's first response, its second, and so on to the 200th."""
    return answer(queries.context(**filters))
