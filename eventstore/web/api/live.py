"""The route `/v1/realtime/live`: follows the open sessions as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Set
from functools import partial
from itertools import chain
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from eventstore.errors import DatabaseUnavailableError, EventStoreError
from eventstore.feed.changes import Changes
from eventstore.feed.delivery import Wanted
from eventstore.realtime.values import dumps
from eventstore.store.database.outages import is_outage
from eventstore.store.filters.filters import MAX_LIMIT, BasicFilter, checked_filter
from eventstore.store.queries.pages import Page
from eventstore.verbs.queries import Queries
from eventstore.web.api.responses import TextParameter
from eventstore.web.api.sessions import EXAMPLE
from eventstore.web.server.documents import METADATA, SENT_EVENT, documented, parameters
from eventstore.web.server.log import note_fault
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.requests import ScopedQueries, deep_objects, goes_on
from eventstore.web.server.streams import EventStream, in_turn, take_stream

router = APIRouter(prefix="/v1/realtime", tags=["sessions"], route_class=PlacedRoute)

#: Open sessions are read once a second at most; and after so many seconds without news, because
#: no event tells that a session was erased, or that somebody has stopped speaking.
_SECOND, _SILENCE, _PING = 1.0, 2.0, 15.0
#: Makes the events of calls that are over already, of the ids of changed sessions.
BriefCalls = Callable[[Iterable[str]], Iterator[bytes]]
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
    `ended` has the id of a session that is not open any more. A session that was open for less
    than a second is told by both. A client that connects again must forget the sessions that it
    had.
    """
    filters: dict[str, Any] = {"metadata": deep_objects(request, "metadata")["metadata"]}
    if model is not None:
        filters["model"] = model

    def read(after: str | None) -> Page[Any]:
        return queries.sessions(live=True, order="asc", limit=MAX_LIMIT, after=after, **filters)

    await in_turn(request, read, None)  # raises for what is wrong
    conditions = checked_filter(BasicFilter, {"metadata": filters["metadata"]}).metadata
    wanted = Wanted("changes", conditions=tuple(conditions))
    brief_calls = partial(_brief_calls, queries, wanted, model)
    return EventStream(_follow(request, read, brief_calls), await take_stream(request))


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
    request: Request, read: Callable[[str | None], Page[Any]], brief_calls: BriefCalls
) -> AsyncIterator[bytes]:
    """Yield an event for each change. Only one page of sessions is in memory at a time."""
    sent: SentDigests = {}
    pending: set[str] = set()
    last_sent = time.monotonic()
    woken, wake = _awakening()
    changes: Changes = request.app.state.changes
    with await in_turn(request, changes.listen, wake) as listener:
        while await goes_on(request):
            began = time.monotonic()
            woken.clear()
            # What changes while the pages are read is told again in the next round.
            changed = listener.take()
            if changed is None:
                return  # The client connects again, and gets all open sessions.
            open_: set[str] = set()
            after: str | None = None
            while True:
                page = await _next_page(request, read, after)
                if page is None:
                    return
                open_.update(session["id"] for session in page.data)
                for event in news(sent, page.data):
                    yield event
                    last_sent = time.monotonic()
                if not page.has_more:
                    break
                after = page.last_id
            pending = (pending | changed) - open_ - sent.keys()
            over: list[bytes] = []
            # If the database is away, they are read in a later round.
            with contextlib.suppress(DatabaseUnavailableError):
                over = await in_turn(request, list, brief_calls(sorted(pending)))
                pending.clear()
            for event in chain(endings(sent, open_), over):
                yield event
                last_sent = time.monotonic()
            if time.monotonic() - last_sent >= _PING:
                yield KEEPALIVE_COMMENT
                last_sent = time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), _SILENCE)
            await asyncio.sleep(max(0.0, began + _SECOND - time.monotonic()))


def _awakening() -> tuple[asyncio.Event, Callable[[], None]]:
    """Return an event of asyncio, and a function that sets it from any thread."""
    woken, loop = asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(woken.set)

    return woken, wake


def _brief_calls(
    queries: Queries, wanted: Wanted, model: str | None, session_ids: Iterable[str]
) -> Iterator[bytes]:
    """Yield the events of calls that have begun and ended since the open sessions were read."""
    for session_id in session_ids:
        try:
            session: Mapping[str, Any] = queries.session(session_id)
        except EventStoreError as error:
            if is_outage(error):
                raise
            continue  # It is another tenant's, or cannot be read.
        notes = session["eventstore"]
        if notes["closed"] and wanted.has(notes["metadata"]) and model in (None, session["model"]):
            yield _event("session", dict(session))
            yield _event("ended", {"id": session_id})


async def _next_page(
    request: Request, read: Callable[[str | None], Page[Any]], after: str | None
) -> Page[Any] | None:
    """Return the page after an id; if it cannot be read, wait and return the first page.

    Returns:
        None if the client has gone, or the server is stopping.
    """
    while await goes_on(request):
        try:
            return await in_turn(request, partial(read, after))
        except EventStoreError:
            pass  # the database is away, or the session of the cursor was erased: try again
        except Exception as error:  # a fault must not end the stream
            note_fault("following the open sessions", error)
        after = None
        await asyncio.sleep(_SECOND)
    return None
