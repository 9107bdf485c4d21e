"""JSON responses of the API's routes, and the descriptions of them in the OpenAPI document.

Called by the modules of `web/api/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Response
from fastapi.sse import EventSourceResponse

from eventstore.realtime.values import dumps
from eventstore.store.queries.pages import Page
from eventstore.web.server import errors

Json = dict[str, Any]


def answer(value: Any, status: int = 200) -> Response:
    """Return a response with a value as JSON."""
    return Response(dumps(value).encode("utf-8", "replace"), status, media_type="application/json")


def answer_page(page: Page[Any]) -> Response:
    """Return a response with a page of a list, in the shape of OpenAI's lists."""
    return answer(page.as_list())


def deep_parameter(name: str, description: str, example: Json) -> Json:
    """Return the OpenAPI description of a query parameter in the style `deepObject`.

    Args:
        name: The parameter's name: `metadata` for `metadata[customer]=42`.
        description: What the parameter is for.
        example: An example of its value.
    """
    return {
        "name": name,
        "in": "query",
        "style": "deepObject",
        "explode": True,
        "description": description,
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        "example": example,
    }


METADATA = deep_parameter(
    "metadata",
    "Pairs that must all be there, again and again: `metadata[customer]=42`.",
    {"customer": "42"},
)
CREATED: Json = {
    "name": "created",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": "When it began: `gte` or `gt`, `lt` or `lte`; ISO 8601 or epoch seconds.",
    "schema": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            operator: {"type": "string", "format": "date-time"}
            for operator in ("gte", "gt", "lt", "lte")
        },
    },
    "example": {"gte": "2026-05-01T00:00:00Z"},
}


def parameters(*deep: Json) -> Json:
    """Return a route's `openapi_extra` for deep objects, which FastAPI itself cannot read."""
    return {"parameters": list(deep)}


def documented(
    schema: Json,
    example: Any,
    *failures: int,
    kind: str = "application/json",
    others: Sequence[str] = (),
) -> Any:
    """Return the `responses` argument of a route: what it answers, and with which errors.

    Args:
        schema: The JSON schema of a successful response.
        example: An example of one.
        failures: The HTTP statuses of errors that not every route has, such as 404.
        kind: The media type of a successful response.
        others: Other media types in which the route can answer.
    """
    found: dict[int | str, Json] = {
        200: {
            "description": "What was asked for.",
            "content": {kind: {"schema": schema, "example": example}},
        }
    }
    for other in others:
        schema = SENT_EVENT if other == EventSourceResponse.media_type else {"type": "string"}
        found[200]["content"][other] = {"schema": schema}
    for status in sorted({400, 401, 403, 503, *failures}):
        found[status] = {
            "description": _FAILURES[status],
            "content": {"application/json": {"schema": errors.ERROR_SCHEMA}},
        }
    return found


SENT_EVENT: Json = {
    "type": "object",
    "required": ["data"],
    "properties": {"id": {"type": "string"}, "event": {"type": "string"}},
}
_FAILURES = {
    400: "A parameter cannot be used.",
    401: "No key, or one that is not known.",
    403: "The key lacks a right.",
    404: "There is none, or not for this key.",
    409: "The session's head is another.",
    410: "It was erased.",
    413: "The body is too large.",
    416: "No such range.",
    503: "The database is away, or the query takes too long.",
}


def an_object(kind: str, *required: str) -> Json:
    """Return the schema of a resource.

    Args:
        kind: The value of the resource's field `object`.
        required: The names of other fields that a resource always has.
    """
    return {
        "type": "object",
        "required": ["object", *required],
        "properties": {"object": {"const": kind}},
    }


def page_of(entry: Json) -> Json:
    """Return an example of a list that has one entry."""
    ids = {"first_id": entry["id"], "last_id": entry["id"]}
    return {"object": "list", "data": [entry], **ids, "has_more": False}


def a_list(entry: Json) -> Json:
    """Return the schema of a list in the shape of OpenAI's lists.

    Args:
        entry: The schema of the list's entries.
    """
    return {
        "type": "object",
        "required": ["object", "data", "first_id", "last_id", "has_more"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": entry},
            "first_id": {"type": ["string", "null"]},
            "last_id": {"type": ["string", "null"]},
            "has_more": {"type": "boolean"},
        },
    }
