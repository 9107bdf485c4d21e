"""The routes that suggest values for filters: keys and values of metadata, and models."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from eventstore.realtime.values import MAX_KEY_LENGTH, MAX_VALUE_LENGTH
from eventstore.store.queries.suggest import KEY_OBJECT, MODEL_OBJECT, VALUE_OBJECT, suggestions
from eventstore.web.api.responses import LimitParameter
from eventstore.web.server.documents import a_list, an_object, answer_page, documented, page_of
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.requests import ScopedQueries, deep_objects

router = APIRouter(prefix="/v1/realtime", tags=["suggestions"], route_class=PlacedRoute)

Prefix = Annotated[
    str,
    Query(max_length=MAX_VALUE_LENGTH, description="List only those that begin with this text."),
]


def _documented(kind: str, example: str) -> Any:
    entry = {"id": example, "object": kind}
    return documented(a_list(an_object(kind, "id")), page_of(entry))


@router.get(
    "/metadata",
    summary="List keys of metadata",
    responses=_documented(KEY_OBJECT, "customer"),
)
def list_keys(
    request: Request, queries: ScopedQueries, prefix: Prefix = "", limit: LimitParameter = 50
) -> Response:
    """List keys in the order of code points. If there are more, ask for a longer prefix."""
    deep_objects(request)
    found = queries.metadata_keys(prefix, limit + 1)
    return answer_page(suggestions(KEY_OBJECT, found, limit))


@router.get(
    "/metadata/values",
    summary="List values of a key of metadata",
    responses=_documented(VALUE_OBJECT, "42"),
)
def list_values(
    request: Request,
    queries: ScopedQueries,
    key: Annotated[str, Query(min_length=1, max_length=MAX_KEY_LENGTH)],
    prefix: Prefix = "",
    limit: LimitParameter = 20,
) -> Response:
    """List values in the order of code points. If there are more, ask for a longer prefix."""
    deep_objects(request)
    found = queries.metadata_values(key, prefix, limit + 1)
    return answer_page(suggestions(VALUE_OBJECT, found, limit))


@router.get(
    "/models",
    summary="List models",
    responses=_documented(MODEL_OBJECT, "gpt-realtime"),
)
def list_models(request: Request, queries: ScopedQueries) -> Response:
    """List the models of sessions and responses, in the order of code points."""
    deep_objects(request)
    found = queries.models()
    return answer_page(suggestions(MODEL_OBJECT, found, len(found)))
