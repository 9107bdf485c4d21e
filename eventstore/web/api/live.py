"""The route `/v1/realtime/live`: follows the open sessions as server-sent events."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Set
from functools import partial
from itertools import chain
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from eventstore.errors import EventStoreError
from eventstore.realtime.values import dumps
from eventstore.store.filters.filters import MAX_LIMIT
from eventstore.store.queries.pages import Page
from eventstore.web.api.responses import TextParameter
from eventstore.web.api.sessions import EXAMPLE
from eventstore.web.server.documents import METADATA, SENT_EVENT, documented, parameters
from eventstore.web.server.log import note_fault
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.requests import ScopedQueries, deep_objects, goes_on
from eventstore.web.server.streams import EventStream, in_turn, take_stream

router = APIRouter(prefix="/v1/realtime", tags=["sessions"], route_class=PlacedRoute)

_SECOND, _PING = 1.0, 15.0
#: For each session that the client knows, the SHA-256 of the resource that was sent last.
SentDigests = dict[str, bytes]


def _event(name: str, resource: dict[str, Any]) -> bytes:
    return format_sse_event(event=name, data_str=dumps(resource))


@router.get(
    "/live",
    summary="Follow the open sessions",
    response_class=StreamingResponse,
    responses=documented(
        SENT_EVENT, _event("session", EXAMPLE).decode(), kind=EventSourceResponse.media_type
    ),
    openapi_extra=parameters(METADATA),
)
async def follow_sessions(
    request: Request, queries: ScopedQueries, model: TextParameter = None
) -> Response:
    """Send all open sessions first, then each change, once a second at most.

    The event `session` has the resource of an open session, as `live=true` lists it. The event
    `ended` has the id of a session that is not open any more. A client that connects again must
    forget the sessions that it had.
    """
    filters: dict[str, Any] = {"metadata": deep_objects(request, "metadata")["metadata"]}
    if model is not None:
        filters["model"] = model

    def read(after: str | None) -> Page[Any]:
        return queries.sessions(live=True, order="asc", limit=MAX_LIMIT, after=after, **filters)

    first = await in_turn(request, lambda: read(None))
    return EventStream(_follow(request, read, first), await take_stream(request))


def news(sent: SentDigests, sessions: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield an event for each session that is new or has changed, and note it in `sent`.

    Args:
        sent: What the client knows, which is changed here.
        sessions: Resources of open sessions.
    """
    for session in sessions:
        digest = hashlib.sha256(dumps(session).encode()).digest()
        if sent.get(session["id"]) != digest:
            yield _event("session", session)
            sent[session["id"]] = digest


def endings(sent: SentDigests, open_: Set[str]) -> Iterator[bytes]:
    """Yield an event for each session that is not open any more, and remove it from `sent`.

    Args:
        sent: What the client knows, which is changed here.
        open_: The ids of all open sessions.
    """
    for session_id in sent.keys() - open_:
        yield _event("ended", {"id": session_id})
        del sent[session_id]


async def _follow(
    request: Request, read: Callable[[str | None], Page[Any]], page: Page[Any]
) -> AsyncIterator[bytes]:
    # Only one page is in memory at a time, because open sessions may be many and large.
    sent: SentDigests = {}
    open_: set[str] = set()
    last_sent = time.monotonic()
    while await goes_on(request):
        open_.update(session["id"] for session in page.data)
        after = page.last_id if page.has_more else None
        for event in chain(news(sent, page.data), [] if after else endings(sent, open_)):
            yield event
            last_sent = time.monotonic()
        if after is None:
            open_.clear()
            if time.monotonic() - last_sent >= _PING:
                yield KEEPALIVE_COMMENT
                last_sent = time.monotonic()
            await asyncio.sleep(_SECOND)
        page = await _next_page(request, read, after)


async def _next_page(
    request: Request, read: Callable[[str | None], Page[Any]], after: str | None
) -> Page[Any]:
    """Return the page after an id; if it cannot be read, wait and return the first page."""
    while await goes_on(request):
        try:
            return await in_turn(request, partial(read, after))
        except EventStoreError:
            pass  # the database is away, or the session of the cursor was erased: try again
        except Exception as error:  # a fault must not end the stream
            note_fault("following the open sessions", error)
        after = None
        await asyncio.sleep(_SECOND)
    return Page([], None, None, has_more=True)
