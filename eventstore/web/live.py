"""The route that follows the open sessions: who begins, what goes on, who has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from eventstore.errors import EventStoreError
from eventstore.queries import Queries
from eventstore.realtime.values import dumps
from eventstore.store.filters import MAX_LIMIT
from eventstore.web.documents import METADATA, SENT_EVENT, documented, parameters
from eventstore.web.log import note_fault
from eventstore.web.paths import PlacedRoute
from eventstore.web.requests import Seen, deep_objects, goes_on
from eventstore.web.responses import Text
from eventstore.web.sessions import EXAMPLE
from eventstore.web.streams import Stream, in_turn, take_stream

router = APIRouter(prefix="/v1/realtime", tags=["sessions"], route_class=PlacedRoute)

_SECOND, _PING = 1.0, 15.0
#: Sessions as they were told, by their ids.
Told = Mapping[str, str]


@router.get(
    "/live",
    summary="Follow the open sessions",
    response_class=StreamingResponse,
    responses=documented(
        SENT_EVENT, f"event: session\ndata: {dumps(EXAMPLE)}\n\n", kind="text/event-stream"
    ),
    openapi_extra=parameters(METADATA),
)
async def follow_sessions(request: Request, queries: Seen, model: Text = None) -> Response:
    """Server-sent events: all open sessions first, then what changes, once a second at most.

    `session` has the resource of one that is open, as `live=true` lists it; `ended` has the id of
    one that is not any more. A client that connects again forgets those that it had.
    """
    filters: dict[str, Any] = {"metadata": deep_objects(request, "metadata")["metadata"]}
    if model is not None:
        filters["model"] = model

    def read() -> Told:
        return open_sessions(queries, filters)

    first = await in_turn(request, read)
    told = _follow(request, read, first)
    return Stream(told, "text/event-stream", await take_stream(request))


def open_sessions(queries: Queries, filters: Mapping[str, Any]) -> Told:
    """All open sessions, oldest first.

    Raises:
        InvalidInputError: a bad filter.
    """
    found: dict[str, str] = {}
    after = None
    while True:
        page = queries.sessions(live=True, order="asc", limit=MAX_LIMIT, after=after, **filters)
        found.update((session["id"], dumps(session)) for session in page.data)
        if not page.has_more:
            return found
        after = page.last_id


def changes(before: Told, now: Told) -> Iterator[bytes]:
    """What to tell a client that was told the one, so that it knows the other."""
    for session_id, resource in now.items():
        if before.get(session_id) != resource:
            yield _event("session", resource)
    for session_id in before:
        if session_id not in now:
            yield _event("ended", dumps({"id": session_id}))


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode("utf-8", "replace")


async def _follow(request: Request, read: Callable[[], Told], first: Told) -> AsyncIterator[bytes]:
    told: Told = {}
    now, quiet = first, time.monotonic()
    while await goes_on(request):
        for event in changes(told, now):
            yield event
            quiet = time.monotonic()
        told = now
        if time.monotonic() - quiet >= _PING:
            yield b": nothing new\n\n"
            quiet = time.monotonic()
        await asyncio.sleep(_SECOND)
        try:
            now = await in_turn(request, read)
        except EventStoreError:
            continue  # the database is away, or the page's last was erased: it is asked again
        except Exception as error:  # of one session, say: the others are told again
            note_fault("following the open sessions", error)
