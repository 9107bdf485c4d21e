"""The routes `…/{id}/events`: list a session's events, follow them, and append events."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from eventstore.errors import ConflictError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.metadata import check_metadata
from eventstore.realtime.recording_lines import BadLine, envelope, envelope_line, read_frames
from eventstore.realtime.values import dumps, loads
from eventstore.store.filters.filters import MAX_LIMIT
from eventstore.store.filters.page_bytes import PAGE_BYTES
from eventstore.store.log.session_facts import (
    check_session_id,
    find_last_seq,
    is_closed,
    metadata_frame,
    read_session_metadata,
    session_exists,
)
from eventstore.times import now
from eventstore.verbs.queries import Queries
from eventstore.web.server.access import Access
from eventstore.web.server.documents import a_list, answer, documented, page_of
from eventstore.web.server.errors import ApiError
from eventstore.web.server.paths import IdRoute
from eventstore.web.server.requests import (
    MayAppend,
    MayRead,
    ScopedQueries,
    deep_objects,
    goes_on,
    may_raw,
    scoped,
    stores_of,
)
from eventstore.web.server.streams import EventStream, Stream, in_turn, piecewise, take_stream

router = APIRouter(prefix="/v1/realtime/sessions", tags=["events"], route_class=IdRoute)

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["id", "object", "seq", "at", "direction", "type"],
    "properties": {"object": {"const": "eventstore.event"}, "seq": {"type": "integer"}},
}
EXAMPLE = {
    "id": "7",
    "object": "eventstore.event",
    "seq": 7,
    "at": "2026-05-04T09:30:00.352Z",
    "direction": "client",
    "type": "response.create",
    "frame": '{"type": "response.create"}',
}
APPENDED: dict[str, Any] = {
    "type": "object",
    "required": ["object", "session_id", "first_seq", "last_seq", "repeated"],
    "properties": {"object": {"const": "eventstore.append"}},
}
APPEND_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["events"],
    "additionalProperties": False,
    "properties": {
        "events": {
            "type": "array",
            "maxItems": 10_000,
            "description": "Bare events, or envelopes: direction, frame (the exact text) and at.",
            "items": {"type": "object"},
        },
        "expected_seq": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": 2**53,
            "description": "The head that the session must have; makes a retry safe.",
        },
        "metadata": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
        "close": {"type": "boolean", "description": "No more will come."},
    },
}
_APPEND_EXAMPLE = {
    "events": [{"direction": "client", "frame": '{"type":"response.create"}'}],
    "expected_seq": 0,
}
_MOST_EVENTS = 10_000
#: The method `events` or `masked_events` of `Queries`.
ReadEvents = Callable[[str, int, int | None, str | None], Iterator[StoredEvent]]
# A stream reads at most so many events at once, and stops earlier after so many bytes.
_AT_ONCE, _BYTES = 500, 256 * 1024
_POLL, _SLOWEST, _PING = 0.2, 1.0, 15.0


@router.get(
    "/{session_id}/events",
    summary="List a session's events, or follow them",
    responses=documented(
        a_list(EVENT),
        page_of(EXAMPLE),
        404,
        410,
        others=("application/x-ndjson", EventSourceResponse.media_type),
    ),
)
async def list_events(
    request: Request,
    queries: ScopedQueries,
    access: MayRead,
    session_id: str,
    type: Annotated[str | None, Query(max_length=128, description="A glob: `response.*`.")] = None,
    after: Annotated[int, Query(ge=0, le=2**53, description="List the events after this seq.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
    format: Annotated[
        Literal["json", "jsonl"], Query(description="`jsonl`: all of them, as `export` writes.")
    ] = "json",
    stream: Annotated[
        bool, Query(description="Send server-sent events until the session is closed.")
    ] = False,
) -> Response:
    """List events by seq. Keys with the right `raw` get each frame exactly as it was received.

    Other keys get frames with "[removed]" in place of secrets, and may not use `format=jsonl`.
    """
    deep_objects(request)
    raw = may_raw(access)
    read = queries.events if raw else queries.masked_events
    if stream:
        after = _last_event_id(request, after)
        await run_in_threadpool(queries.last_seq, session_id)
        events = _follow(request, queries, read, session_id, after, type)
        return EventStream(events, await take_stream(request))
    if format == "jsonl":
        head = await run_in_threadpool(queries.last_seq, session_id)
        if not raw:
            raise ApiError(403, "this key has no right to raw frames", "missing_right")
        lines = _lines(queries, session_id, after + 1, head, type)
        pieces = piecewise(request, lines)
        return Stream(pieces, "application/x-ndjson", await take_stream(request))
    return await run_in_threadpool(_page, read, session_id, after, limit, type)


def _page(read: ReadEvents, session_id: str, after: int, limit: int, type_: str | None) -> Response:
    data: list[dict[str, Any]] = []
    size, has_more = 0, False
    for event in read(session_id, after + 1, None, type_):
        size += len(event.text)
        has_more = len(data) == limit or bool(data and size > PAGE_BYTES)
        if has_more:
            break
        data.append(_entry(event))
    return answer(
        {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": has_more,
        }
    )


def _entry(event: StoredEvent) -> dict[str, Any]:
    entry = {"id": str(event.seq), "object": "eventstore.event", "type": event.type}
    return entry | envelope(event)


def _lines(
    queries: Queries, session_id: str, first: int, last: int, type_: str | None
) -> Iterator[bytes]:
    return map(envelope_line, queries.events(session_id, first, last, type_))


def _last_event_id(request: Request, after: int) -> int:
    """Return the seq after which to go on: that of the header `Last-Event-ID`, else `after`."""
    given = request.headers.get("last-event-id", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 16 else after


async def _follow(
    request: Request,
    queries: Queries,
    read: ReadEvents,
    session_id: str,
    after: int,
    type_: str | None,
) -> AsyncIterator[bytes]:
    """Yield events as server-sent events when they are stored, until the session is closed.

    A comment line is sent if there was no event for a while, so that proxies keep the connection.
    """

    def read_some(first: int, last: int) -> tuple[bytes, int]:
        """Return events of a bounded number of bytes, and the seq up to which they were read."""
        sent, size = [], 0
        for event in read(session_id, first, last, type_):
            sent.append(format_sse_event(id=str(event.seq), data_str=dumps(_entry(event))))
            size += len(sent[-1])
            if size >= _BYTES:
                return b"".join(sent), event.seq
        return b"".join(sent), last

    pause, silence = _POLL, 0.0
    while await goes_on(request):
        closed, head = await in_turn(request, _ends, queries, session_id)
        if head > after:
            last = min(head, after + _AT_ONCE)
            events, after = await in_turn(request, read_some, after + 1, last)
            yield events
            pause, silence = _POLL, 0.0
            continue
        if closed:
            yield format_sse_event(event="end", data_str="{}")
            return
        await asyncio.sleep(pause)
        pause, silence = min(pause * 1.25, _SLOWEST), silence + pause
        if silence > _PING:
            yield KEEPALIVE_COMMENT
            silence = 0.0


def _ends(queries: Queries, session_id: str) -> tuple[bool, int]:
    """Return whether a session is closed, and the seq of its last event.

    The order of the two reads matters: after "closed", the seq does not grow any more.
    """
    closed = is_closed(queries.engine, session_id)
    return closed, find_last_seq(queries.engine, session_id) or 0


@router.post(
    "/{session_id}/events",
    summary="Append events to a session",
    responses=documented(
        APPENDED,
        {
            "object": "eventstore.append",
            "session_id": "sess_123",
            "first_seq": 1,
            "last_seq": 1,
            "repeated": False,
        },
        404,
        409,
        410,
        413,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": APPEND_BODY, "example": _APPEND_EXAMPLE}},
        }
    },
)
async def append_events(request: Request, access: MayAppend, session_id: str) -> Response:
    """Append all events in one transaction, or none. With `expected_seq`, a retry adds nothing."""
    deep_objects(request)
    raw = await request.body()
    return await run_in_threadpool(_append, request, access, session_id, raw)


def _append(request: Request, access: Access, session_id: str, raw: bytes) -> Response:
    body = _body(raw)
    frames = _frames(body["events"])
    expected, metadata = body.get("expected_seq"), check_metadata(body.get("metadata") or {})
    store = stores_of(request).writing
    if access.scope is not None:
        if any(frame.direction == STORE for frame in frames):
            raise ApiError(403, "this key appends no events of the store's own", "missing_right")
        if metadata.get(access.scope.key, access.scope.value) != access.scope.value:
            raise ApiError(403, "this key appends to its own sessions alone", "missing_right")
        expected = _expected_in_scope(request, access, session_id, expected)
        if expected == 0:
            metadata = {**metadata, access.scope.key: access.scope.value}
    if metadata:
        check_session_id(session_id)
        check_metadata({**read_session_metadata(store.engine, session_id), **metadata})
        frames.insert(0, metadata_frame(metadata, None))
    at = now()
    timed = [frame if frame.at is not None else frame._replace(at=at) for frame in frames]
    close = body.get("close", False)
    try:
        done = store.append(session_id, timed, expected, close)
    except ConflictError:
        if expected is None:
            raise
        # Frames without a time get the time of the request, and so differ in a retry. Without
        # times, the store recognises the frames of the first request.
        done = store.append(session_id, frames, expected, close)
    return answer({"object": "eventstore.append", **done._asdict()})


def _expected_in_scope(
    request: Request, access: Access, session_id: str, expected: int | None
) -> int | None:
    """Return the head that a tenant's append expects, and refuse sessions of other tenants.

    If there is no session with the id, the append must create it: the head must be 0.
    """
    queries = scoped(stores_of(request).writing, access)
    if session_exists(queries.engine, session_id):
        queries.last_seq(session_id)  # raises if the session is another tenant's, or was erased
        return expected
    if expected:
        raise ConflictError(session_id, expected, 0)
    return 0


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = loads(raw)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "the body is no JSON", "invalid_value") from error
    if not isinstance(body, dict) or not isinstance(body.get("events"), list):
        raise ApiError(
            400, "the body is an object with a list of events", "invalid_value", "events"
        )
    unknown = set(body) - set(APPEND_BODY["properties"])
    if unknown:
        name = min(unknown)[:80]
        raise ApiError(400, f"unknown parameter {name}", "unknown_parameter", name)
    expected, metadata = body.get("expected_seq"), body.get("metadata")
    if expected is not None and (type(expected) is not int or not 0 <= expected <= 2**53):
        raise ApiError(400, "expected_seq is a seq, from 0", "invalid_value", "expected_seq")
    if metadata is not None and not isinstance(metadata, dict):
        raise ApiError(400, "metadata is an object of texts", "invalid_value", "metadata")
    if type(body.get("close", False)) is not bool:
        raise ApiError(400, "close is true or false", "invalid_value", "close")
    if len(body["events"]) > _MOST_EVENTS:
        raise ApiError(400, f"at most {_MOST_EVENTS:,} events at once", "too_many", "events")
    return body


def _frames(events: list[Any]) -> list[Frame]:
    """Return the frames of a request's events and envelopes, read as `import` reads lines."""
    frames: list[Frame] = []
    for number, event in enumerate(events):
        param = f"events.{number}"
        if not isinstance(event, dict):
            raise ApiError(400, f"{param} is no object", "invalid_value", param)
        for _, frame in read_frames(io.BytesIO(dumps(event).encode())):
            if isinstance(frame, BadLine):
                raise ApiError(400, f"{param}: {frame.reason}", "invalid_value", param)
            frames.append(frame)
    return frames
