"""Reads a request: the access of its API key, and query parameters that FastAPI cannot read.

Such parameters are `metadata[customer]=42` and `created[gte]=…`, which OpenAPI calls deep objects.
Called by the routes of `web/api/` and `web/pages/`, and by `guard.py`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import Annotated, Any

from fastapi import Depends, Request

from eventstore.common.hosts import netloc_of
from eventstore.event_store import EventStore
from eventstore.times import is_time, parse_time, to_iso
from eventstore.verbs.queries import Queries
from eventstore.web.server.access import Access, AccessKeys, Right, digest
from eventstore.web.server.errors import ApiError
from eventstore.web.server.sign_ins import SignIns, cookie_of

# `since` is inclusive and `until` exclusive, in microseconds.
_SIDES = {"gte": ("since", 0), "gt": ("since", 1), "lt": ("until", 0), "lte": ("until", 1)}
_DEEP = re.compile(r"([a-z_]+)\[(.*)\]", re.DOTALL)


class Stores:
    """The store as the API uses it: opened twice, with the API keys.

    Attributes:
        reading: The store for queries, each of which has a time limit.
        writing: The store without a time limit, for appends, erasures and long reads.
        keys: The API keys; None if requests need none.
    """

    def __init__(self, reading: EventStore, writing: EventStore, keys: AccessKeys | None) -> None:
        self.reading, self.writing, self.keys = reading, writing, keys


def stores_of(request: Request) -> Stores:
    """Return the stores of the application that received a request."""
    stores: Stores = request.app.state.stores
    return stores


async def goes_on(request: Request) -> bool:
    """Return True while a stream's client is connected and the server is not stopping."""
    return not (request.app.state.stopping or await request.is_disconnected())


def find_access(request: Request) -> Access | None:
    """Return the access of a request's key or sign-in, or None if it has no known key."""
    keys = stores_of(request).keys
    if keys is None:
        return Access("everybody")
    header = request.headers.get("authorization")
    if header is None:
        signed_in: SignIns = request.app.state.sign_ins
        return signed_in.find(request.cookies.get(cookie_of(request), ""))
    scheme, _, key = header.partition(" ")
    return keys.get(digest(key.strip())) if scheme.lower() == "bearer" else None


def asker_of(request: Request) -> Hashable:
    """Return the asker that limits are counted for: the request's tenant, or its key's name.

    Returns:
        None for all requests without a known key, which share one limit.
    """
    access = find_access(request)
    return None if access is None else access.scope or access.name


def is_own(request: Request) -> bool:
    """Return True if a request was sent from a page of this server, or from no page at all.

    A browser sends the cookie of a sign-in also for the form of a page of another site.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or netloc_of(origin) == request.headers.get("host")


def access_of(request: Request) -> Access:
    """Return the access of a request's key, and note the key's name for the log.

    Raises:
        ApiError: The request has no key that is known.
    """
    found = find_access(request)
    if found is None:
        message = "send an API key of this store: Authorization: Bearer KEY"
        raise ApiError(401, message, "invalid_api_key")
    request.state.key_name = found.name
    return found


def _with_right(right: Right) -> Callable[[Request], Awaitable[Access]]:
    async def checked(request: Request) -> Access:
        access = access_of(request)
        if right not in access.rights:
            raise ApiError(403, f"this key has no right to {right}", "missing_right")
        return access

    return checked


def may_raw(access: Access) -> bool:
    """Return True if a key may read frames as they are, with the secrets in them."""
    return "raw" in access.rights


def may_score(access: Access) -> bool:
    """Return True if a key may score sessions, responses and items."""
    return "score" in access.rights


def may_send(access: Access) -> bool:
    """Return True if a key may have webhooks sent again that were given up."""
    return "send" in access.rights


MayRead = Annotated[Access, Depends(_with_right("read"))]
MayAppend = Annotated[Access, Depends(_with_right("append"))]
MayScore = Annotated[Access, Depends(_with_right("score"))]
MaySend = Annotated[Access, Depends(_with_right("send"))]
MayErase = Annotated[Access, Depends(_with_right("erase"))]


async def _queries(request: Request, access: MayRead) -> Queries:
    return scoped(stores_of(request).reading, access)


def scoped(store: EventStore, access: Access) -> Queries:
    """Return the queries of a store, limited to the sessions that a key may see."""
    scope = access.scope
    return store.reader if scope is None else store.scoped(scope.key, scope.value)


#: Queries that are limited to the sessions that the request's key may see.
ScopedQueries = Annotated[Queries, Depends(_queries)]


def deep_objects(request: Request, *names: str) -> dict[str, dict[str, str]]:
    """Return the deep objects of a request's query, and refuse parameters that are not declared.

    A misspelt filter must not be ignored: the answer would have more entries than were asked for.

    Args:
        request: The request.
        names: The names of the deep objects that the route takes.

    Returns:
        For each name its pairs: `metadata[customer]=42` is `{"metadata": {"customer": "42"}}`.

    Raises:
        ApiError: A parameter is unknown, or is given twice.
    """
    declared = set(_declared(request.scope["route"].dependant))
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for name, value in request.query_params.multi_items():
        if name in declared:
            continue
        deep = _DEEP.fullmatch(name)
        if deep is None or deep[1] not in found:
            raise ApiError(400, f"unknown parameter {name[:80]}", "unknown_parameter", name[:80])
        if deep[2] in found[deep[1]]:
            raise ApiError(400, f"{name[:80]} is given twice", "invalid_value", name[:80])
        found[deep[1]][deep[2]] = value
    return found


def _declared(dependant: Any) -> Iterator[str]:
    """Yield the names of the query parameters of a route and of its dependencies."""
    yield from (field.alias for field in dependant.query_params)
    for other in dependant.dependencies:
        yield from _declared(other)


def created_range(bounds: dict[str, str]) -> dict[str, Any]:
    """Return the filters `since` and `until` for `created[gte]`, `[gt]`, `[lt]` and `[lte]`.

    Args:
        bounds: Times by their operators, such as `{"gte": "2026-05-01T00:00:00Z"}`.

    Raises:
        ApiError: An operator is unknown, one side has two operators, or a value is no time.
    """
    found: dict[str, str | None] = {}
    for operator, value in bounds.items():
        param = f"created[{operator[:20]}]"
        if operator not in _SIDES or _SIDES[operator][0] in found:
            message = f"{param}: use one of gte and gt, and one of lt and lte"
            raise ApiError(400, message, "invalid_value", param)
        side, behind = _SIDES[operator]
        try:
            at = parse_time(value)
        except ValueError as error:
            message = f"{param}: use ISO 8601 or epoch seconds"
            raise ApiError(400, message, "invalid_value", param) from error
        if at is not None and is_time(at + behind):
            found[side] = to_iso(at + behind)
        elif at is not None and side == "since":
            raise ApiError(400, f"{param}: no time is later", "invalid_value", param)
    return found
