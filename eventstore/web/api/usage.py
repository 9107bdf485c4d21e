"""Routes of what all sessions used: tokens and money, times of answers, growth of contexts."""

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
from eventstore.web.server.requests import Seen

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
TURN: dict[str, Any] = {
    "object": "realtime.context",
    "turn": 1,
    "responses": 6,
    "input_tokens": 120.5,
    "cached_tokens": 64.0,
    "output_tokens": 41.8,
}
_CONTEXT = tuple(TURN["object"] if name == "object" else name for name in TURN)


def _grouped(kind: str, **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of groups and a total, and an example."""
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
def read_usage(queries: Seen, filters: Filters, by: By = None) -> Response:
    """Tokens by modality, cached ones apart, and money; filters as for responses.

    `cost_usd` is null where no price is known; `unpriced` counts and names what is not in it. Of
    tokens that are not told apart by their kind, `unpriced_between_usd` is the least and the most.
    By `day,model` an entry is of a day and a model: its `key` is the day, its `model` beside it.
    """
    return answer(queries.usage(by, **filters))


@router.get(
    "/latency",
    summary="Tell how fast answers came",
    responses=documented(*_grouped("realtime.latency", **TIMES)),
    openapi_extra=parameters(METADATA, CREATED),
)
def read_latency(queries: Seen, filters: Filters, by: By = None) -> Response:
    """From the end of the user's speech until sound; without speech, from the response's creation.

    Half of the answers came within `p50_ms`. Times are told to 2.2 %; filters as for responses.
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
        {"object": "list", "data": [TURN]},
    ),
    openapi_extra=parameters(METADATA, CREATED),
)
def read_context(queries: Seen, filters: Filters) -> Response:
    """Mean tokens of the first response of a session, of its second, and so on to the 200th."""
    return answer(queries.context(**filters))
