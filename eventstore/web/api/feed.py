"""The routes `/v1/realtime/feed`: subscriptions to all sessions, as server-sent events."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from sqlalchemy import Engine

from eventstore.common.pauses import Pause
from eventstore.errors import DatabaseUnavailableError, EventStoreError
from eventstore.feed.acknowledgement import acknowledge, cursor, read_cursor
from eventstore.feed.delivery import Delivery, From, Of, Wanted
from eventstore.feed.feed import Feed
from eventstore.feed.subscriptions import add_subscription
from eventstore.realtime.metadata import Condition
from eventstore.realtime.recording_lines import envelope
from eventstore.realtime.values import dumps
from eventstore.store.consumers.consumers import all_consumers
from eventstore.store.database.transaction import read
from eventstore.store.filters.filters import BasicFilter, checked_filter
from eventstore.web.server.access import Access
from eventstore.web.server.documents import (
    METADATA,
    SENT_EVENT,
    a_list,
    an_object,
    answer,
    documented,
    parameters,
)
from eventstore.web.server.errors import ApiError
from eventstore.web.server.log import note_fault
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.requests import (
    MayRead,
    deep_objects,
    goes_on,
    is_own,
    may_raw,
    stores_of,
)
from eventstore.web.server.streams import EventStream, in_turn, take_stream

router = APIRouter(prefix="/v1/realtime/feed", tags=["feed"], route_class=PlacedRoute)

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
_EXAMPLE = {
    "session_id": "sess_123",
    "seq": 41,
    "kind": "response",
    "response": {"id": "resp_1", "object": "realtime.response", "status": "completed"},
}
_SUBSCRIPTION: dict[str, Any] = {
    "name": "crm",
    "object": "eventstore.subscription",
    "of": "endings",
    "begins": "now",
    "behind": 0,
    "failed": 0,
    "followed_at": "2026-05-04T09:30:00.352000Z",
}
_DROPPED: dict[str, Any] = {"object": "eventstore.subscription.dropped", "name": "crm"}
#: How many subscriptions one tenant can have by HTTP.
MOST_SUBSCRIPTIONS = 20
#: A stream ends when its cursor has so many characters, or when the first delivery that waits to be
#: acknowledged is so many seconds old. The client connects again, which acknowledges them.
_LONGEST_CURSOR, _OLDEST = 4_000, 30.0
#: How soon clients connect again, in milliseconds; they wait seconds if nothing is said.
_RETRY = b"retry: 100\n\n"
_FASTEST, _LEASE, _PING = 0.05, 30.0, 15.0
_AT_ONCE, _BYTES = 200, 256 * 1024
#: How many bytes of ids of sessions one piece adds to the cursor at most: proxies take headers of
#: 8 kB or less.
_BYTES_OF_IDS = 1_000


@router.get(
    "",
    summary="List the subscriptions that were made by HTTP",
    responses=documented(
        a_list(an_object(_SUBSCRIPTION["object"], "name")),
        {
            "object": "list",
            "data": [_SUBSCRIPTION],
            "first_id": "crm",
            "last_id": "crm",
            "has_more": False,
        },
    ),
)
def list_subscriptions(request: Request, access: MayRead) -> Response:
    """List those of the key's tenant, and how many sessions each of them is behind."""
    deep_objects(request)
    prefix = _prefix(access)
    data: list[dict[str, Any]] = []
    for one in stores_of(request).reading.subscriptions():
        name = one["name"].removeprefix(prefix)
        if name != one["name"]:
            kept = {key: one.get(key) for key in _SUBSCRIPTION if key not in ("name", "object")}
            data.append({"name": name, "object": _SUBSCRIPTION["object"], **kept})
    ends = (data[0]["name"], data[-1]["name"]) if data else (None, None)
    return answer(
        {
            "object": "list",
            "data": data,
            "first_id": ends[0],
            "last_id": ends[1],
            "has_more": False,
        }
    )


@router.get(
    "/{name}",
    summary="Follow all sessions by a subscription",
    response_class=StreamingResponse,
    responses=documented(
        SENT_EVENT,
        format_sse_event(event="response", data_str=dumps(_EXAMPLE)).decode(),
        kind=EventSourceResponse.media_type,
    ),
    openapi_extra=parameters(METADATA),
)
async def follow_feed(
    request: Request,
    access: MayRead,
    name: Name,
    of: Annotated[
        Of | None, Query(description="What is delivered; what it was before, or events.")
    ] = None,
    from_: Annotated[
        From, Query(alias="from", description="Where a new subscription begins.")
    ] = "now",
    type: Annotated[
        list[Annotated[str, Query(max_length=128)]] | None,
        Query(max_length=100, description="Only events of these types."),
    ] = None,
) -> Response:
    """Send what the subscription delivers, each session's in its order, at least once.

    Behind deliveries comes an event `checkpoint`, whose `id` is the cursor. Whoever connects again
    sends the last one as `Last-Event-ID`, as browsers' `EventSource` does by itself: this
    acknowledges what was sent before it. All else comes again. The server ends the stream now and
    then to have it acknowledged. Events need the right `raw`.
    """
    conditions = checked_filter(BasicFilter, deep_objects(request, "metadata")).metadata
    if "authorization" not in request.headers and not is_own(request):
        raise ApiError(403, "another site's page subscribes to nothing", "other_host")
    given = request.headers.get("last-event-id", "")
    types = tuple(type) if type is not None else None

    def begin() -> _Followed:
        engine, full = stores_of(request).writing.engine, f"{_prefix(access)}{name}"
        before = _checked(engine, access, full, of)
        wanted = _in_scope(access, conditions or before.conditions)
        consumer = add_subscription(engine, full, of, from_, types, wanted)
        acknowledge(engine, full, read_cursor(given, full))
        feed = Feed(engine, consumer, _LEASE, once=False, fastest=_FASTEST, acknowledged=True)
        return _Followed(feed)

    followed = await run_in_threadpool(begin)
    return EventStream(_deliver(request, followed), await take_stream(request))


@router.delete(
    "/{name}",
    summary="Forget a subscription",
    responses=documented(an_object(_DROPPED["object"], "name"), _DROPPED),
)
def drop_feed(request: Request, access: MayRead, name: Name) -> Response:
    """Forget a subscription that was made by HTTP, and how far it was in each session."""
    deep_objects(request)
    if "authorization" not in request.headers and not is_own(request):
        raise ApiError(403, "another site's page drops no subscription", "other_host")
    stores_of(request).writing.drop_subscription(f"{_prefix(access)}{name}")
    return answer({**_DROPPED, "name": name})


def _prefix(access: Access) -> str:
    """Return what the names of a tenant's subscriptions begin with in the database.

    So no key follows, or drops, what another tenant or the operator of the store has.
    """
    if access.scope is None:
        return "http.all."
    return f"http.{hashlib.sha256(dumps(list(access.scope)).encode()).hexdigest()[:16]}."


def _checked(engine: Engine, access: Access, name: str, of: Of | None) -> Wanted:
    """Return what a subscription delivered before, or what a new one does if nothing is said.

    Raises:
        ApiError: The key may not follow it, or has too many subscriptions.
        InvalidInputError: Another program has changed the subscription.
    """
    with read(engine) as tx:
        found = {one.name: one.definition for one in all_consumers(tx)}
    before = Wanted.of_json(found[name]) if name in found else Wanted()
    if (of or before.of) == "events" and not may_raw(access):
        raise ApiError(403, "this key has no right to raw frames", "missing_right")
    own = [one for one in found if one.startswith(_prefix(access))]
    if name not in found and len(own) >= MOST_SUBSCRIPTIONS:
        message = f"there are {MOST_SUBSCRIPTIONS} subscriptions already; drop one"
        raise ApiError(400, message, "too_many")
    return before


def _in_scope(access: Access, conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Return conditions that no session outside of the key's scope meets."""
    if access.scope is None or access.scope in conditions:
        return tuple(conditions)
    return (access.scope, *conditions)


class _Piece(NamedTuple):
    """What is sent at once.

    Attributes:
        sent: The deliveries.
        cursor: The cursor that acknowledges them, with those before; empty if nothing waits.
        pause: How long to wait for more, in seconds; None if the subscription was dropped.
    """

    sent: bytes
    cursor: str
    pause: float | None


class _Followed:
    """A feed that several threads use, one after the other."""

    def __init__(self, feed: Feed) -> None:
        self._feed, self._steps, self._lock = feed, feed.steps(), threading.Lock()
        self._sessions = set[str]()

    def piece(self) -> _Piece:
        """Return the next deliveries, as many as there are and as fit."""
        found, size, ids = [], 0, 0
        pause: float | None = None
        last: Delivery | None = None
        with self._lock:
            for step in self._steps:
                if isinstance(step, Pause):
                    pause = step.seconds
                    break
                last = step
                found.append(format_sse_event(event=step.kind, data_str=_told(step)))
                size += len(found[-1])
                if step.session_id not in self._sessions:
                    self._sessions.add(step.session_id)
                    ids += len(step.session_id.encode())
                if len(found) == _AT_ONCE or size >= _BYTES or ids >= _BYTES_OF_IDS:
                    pause = 0.0
                    break
            waiting = self._feed.unacknowledged()
        if last is not None:  # It counts as handled only when the next one is asked for.
            seq, ended = waiting.get(last.session_id, (0, False))
            waiting[last.session_id] = max(seq, last.seq), ended or last.kind == "session"
        return _Piece(b"".join(found), cursor(self._feed.name, waiting) if waiting else "", pause)

    def close(self) -> None:
        """Let other streams of the subscription have its sessions."""
        self._feed.stop()
        with self._lock:
            self._feed.close()


def _told(delivery: Delivery) -> str:
    return dumps(delivery.as_json() | (envelope(delivery.event) if delivery.event else {}))


async def _deliver(request: Request, followed: _Followed) -> AsyncIterator[bytes]:
    waits_since: float | None = None
    last_sent, last_cursor = time.monotonic(), ""
    try:
        yield _RETRY
        while await goes_on(request):
            piece = await in_turn(request, followed.piece)
            now = time.monotonic()
            if piece.sent:
                yield piece.sent
                waits_since = waits_since or now
                last_sent = now
            if piece.cursor not in ("", last_cursor):
                yield format_sse_event(event="checkpoint", data_str="{}", id=piece.cursor)
                last_cursor = piece.cursor
            is_old = waits_since is not None and now - waits_since > _OLDEST
            if piece.pause is None or len(piece.cursor) > _LONGEST_CURSOR or is_old:
                return
            if now - last_sent >= _PING:
                yield KEEPALIVE_COMMENT
                last_sent = now
            await asyncio.sleep(piece.pause)
    except DatabaseUnavailableError:
        return  # The client connects again.
    except EventStoreError as error:
        note_fault("a feed", error)
    finally:
        # Not awaited: a client that has gone cancels what is awaited here.
        closing = asyncio.get_running_loop().run_in_executor(None, followed.close)
        closing.add_done_callback(lambda done: done.exception())
