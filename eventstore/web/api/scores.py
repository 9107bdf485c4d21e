"""The routes about scores: `…/sessions/{id}/scores` gives and lists, `/scores` sums up."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from eventstore.realtime.resources.scores import (
    MAX_BY_LENGTH,
    MAX_NAME_LENGTH,
    MAX_NUMBER,
    MAX_REASON_LENGTH,
    MAX_TEXT_LENGTH,
)
from eventstore.realtime.values import loads
from eventstore.web.api.responses import TextParameter, given_filters
from eventstore.web.server.access import Access
from eventstore.web.server.documents import (
    CREATED,
    METADATA,
    a_list,
    an_object,
    answer,
    documented,
    page_of,
    parameters,
)
from eventstore.web.server.errors import ApiError
from eventstore.web.server.paths import IdRoute
from eventstore.web.server.requests import (
    MayScore,
    ScopedQueries,
    created_range,
    deep_objects,
    is_own,
)
from eventstore.web.server.scoring import score_session

router = APIRouter(prefix="/v1/realtime", tags=["scores"], route_class=IdRoute)

_ID = {"type": ["string", "null"]}
SCORE = an_object("eventstore.score", "id", "session_id", "name", "kind", "value")
EXAMPLE: dict[str, Any] = {
    "id": "1205",
    "object": "eventstore.score",
    "session_id": "sess_123",
    "response_id": "resp_123",
    "item_id": None,
    "name": "helpful",
    "kind": "number",
    "value": 0.5,
    "by": "judge",
    "reason": None,
    "at": "2026-05-04T09:30:00.352000Z",
}
BODY: dict[str, Any] = {
    "type": "object",
    "required": ["name", "value"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH},
        "value": {
            "type": ["number", "boolean", "string", "null"],
            "minimum": -MAX_NUMBER,
            "maximum": MAX_NUMBER,
            "maxLength": MAX_TEXT_LENGTH,
            "description": "A number, a truth, a label or a text; null takes the score back.",
        },
        "kind": {
            "type": ["string", "null"],
            "enum": ["number", "boolean", "label", "text", None],
            "description": "By default the value tells it: one short line is a label.",
        },
        "response_id": {**_ID, "description": "Score this response, instead of the session."},
        "item_id": {**_ID, "description": "Score this item, instead of the session."},
        "by": {"type": ["string", "null"], "maxLength": MAX_BY_LENGTH},
        "reason": {"type": ["string", "null"], "maxLength": MAX_REASON_LENGTH},
        "at": {"type": ["string", "number", "null"], "description": "By default now."},
    },
}
_BODY_EXAMPLE = {"name": "helpful", "value": 0.5, "response_id": "resp_123", "by": "judge"}
ENTRY: dict[str, Any] = {
    "object": "eventstore.scores",
    "key": "2026-05-04",
    "name": "helpful",
    "count": 12,
    "numbers": 12,
    "mean": 0.75,
    "min": 0.0,
    "max": 1.0,
    "true": 0,
    "false": 0,
    "true_share": None,
    "labelled": 0,
    "labels": {},
    "texts": 0,
}
_ENTRY = an_object(ENTRY["object"], *(name for name in ENTRY if name != "object"))
SUMS = {
    "type": "object",
    "required": ["object", "by", "data"],
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": _ENTRY}},
}
By = Annotated[
    str | None,
    Query(
        pattern="^(name|day|model|giver|session|metadata:.{1,64})$",
        description="What to group by; the name by default.",
    ),
]


@router.get(
    "/scores",
    summary="Sum scores up",
    responses=documented(SUMS, {"object": "list", "by": "day", "data": [ENTRY]}),
    openapi_extra=parameters(METADATA, CREATED),
)
def read_scores(
    request: Request,
    queries: ScopedQueries,
    by: By = None,
    name: TextParameter = None,
    giver: TextParameter = None,
    session: TextParameter = None,
    model: TextParameter = None,
) -> Response:
    """Return counts, means, shares of true and labels, for each group and each name of a score.

    `created` is when that began which is scored. An encrypted store counts labels, and names none.
    """
    deep = deep_objects(request, "metadata", "created")
    filters = given_filters(name=name, giver=giver, session=session, model=model)
    filters |= created_range(deep["created"])
    return answer(queries.score_sums(by, metadata=deep["metadata"], **filters))


@router.get(
    "/sessions/{session_id}/scores",
    summary="List a session's scores",
    responses=documented(a_list(SCORE), page_of(EXAMPLE), 404, 410),
)
def list_scores(request: Request, queries: ScopedQueries, session_id: str) -> Response:
    """List the scores of a session, its responses and its items, in the order of the log."""
    deep_objects(request)
    data = queries.scores(session_id)
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    page = {"object": "list", "data": data, "first_id": None, "last_id": None, "has_more": False}
    return answer(page | ends)


@router.post(
    "/sessions/{session_id}/scores",
    summary="Score a session, a response or an item",
    responses=documented(SCORE, EXAMPLE, 404, 410, 413),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": BODY, "example": _BODY_EXAMPLE}},
        }
    },
)
async def give_score(request: Request, access: MayScore, session_id: str) -> Response:
    """Note a score in the session's log. It replaces one of the same name by the same giver."""
    deep_objects(request)
    if "authorization" not in request.headers and not is_own(request):
        raise ApiError(403, "another site's page gives no scores", "other_host")
    raw = await request.body()
    return await run_in_threadpool(_give, request, access, session_id, raw)


def _give(request: Request, access: Access, session_id: str, raw: bytes) -> Response:
    return answer(score_session(request, access, session_id, _body(raw)))


def _body(raw: bytes) -> dict[str, Any]:
    """Return the body of a request that gives a score."""
    try:
        body = loads(raw)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "the body is no JSON", "invalid_value") from error
    if not isinstance(body, dict):
        raise ApiError(400, "the body is an object with a name and a value", "invalid_value")
    unknown = set(body) - set(BODY["properties"])
    if unknown:
        name = min(unknown)[:80]
        raise ApiError(400, f"unknown parameter {name}", "unknown_parameter", name)
    for name in BODY["required"]:
        if name not in body:
            raise ApiError(400, f"{name} is missing", "invalid_value", name)
    for name, allowed in (("at", str | int | float), ("kind", str)):
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, allowed)):
            raise ApiError(400, f"{name} has another type", "invalid_value", name)
    return body
