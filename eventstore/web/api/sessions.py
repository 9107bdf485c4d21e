"""The routes `/v1/realtime/sessions`: list and retrieve sessions, their state and usage, erase."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, Field

from eventstore.errors import NotFoundError
from eventstore.realtime.protocols import Protocol
from eventstore.realtime.resources.dialects import Dialect
from eventstore.store.filters.filters import SessionSort, SessionStatus
from eventstore.store.sessions.log import Log
from eventstore.web.api.responses import (
    AfterParameter,
    BeforeParameter,
    DecimalParameter,
    DirectionParameter,
    IntegerParameter,
    LabelsParameter,
    LimitParameter,
    ScoresParameter,
    TextParameter,
    given_filters,
)
from eventstore.web.server.documents import (
    CREATED,
    METADATA,
    a_list,
    an_object,
    answer,
    answer_page,
    documented,
    page_of,
    parameters,
)
from eventstore.web.server.paths import IdRoute
from eventstore.web.server.requests import (
    MayErase,
    ScopedQueries,
    created_range,
    deep_objects,
    stores_of,
)

router = APIRouter(prefix="/v1/realtime/sessions", tags=["sessions"], route_class=IdRoute)

SESSION_SCHEMA = an_object("realtime.session", "id", "eventstore")
EXAMPLE: dict[str, Any] = {
    "id": "sess_123",
    "object": "realtime.session",
    "model": "gpt-realtime",
    "eventstore": {"metadata": {"customer": "42"}, "events": 1204},
}
_AT = re.compile(
    r"^([0-9]{1,18}|\+[0-9]{1,9}(\.[0-9]{1,6})?|[0-9]{1,9}:[0-5]?[0-9](\.[0-9]{1,6})?)$"
)


def _check_at(value: str) -> str:
    """Return a moment as it is. Pydantic's own message for a wrong form would be the pattern."""
    if _AT.fullmatch(value) is None:
        raise ValueError("use a seq such as 41, or +SECONDS; write + as %2B in an address")
    return value


_Moment = Annotated[
    str, AfterValidator(_check_at), Field(json_schema_extra={"pattern": _AT.pattern})
]
At = Annotated[
    _Moment | None,
    Query(
        description="A seq, or `+SECONDS` or `MINUTES:SECONDS` since the first event, or on the"
        " timeline of a GPT-Live session; by default now."
    ),
]
STATE = {
    "type": "object",
    "required": ["session", "conversations", "responses", "usage"],
    "properties": {"session": {"type": "object"}, "conversations": {"type": "array"}},
}


@router.get(
    "",
    summary="List sessions, newest first",
    responses=documented(
        a_list(SESSION_SCHEMA),
        page_of(EXAMPLE),
        404,
    ),
    openapi_extra=parameters(METADATA, CREATED),
)
def list_sessions(
    request: Request,
    queries: ScopedQueries,
    status: Annotated[
        SessionStatus | None,
        Query(description="`errors`: errors of the session or of its responses."),
    ] = None,
    model: TextParameter = None,
    q: Annotated[TextParameter, Query(description='Words said; `"a phrase"`, `pre*`.')] = None,
    protocol: Annotated[
        Protocol | None, Query(description="`live` for GPT-Live, `realtime` for all others.")
    ] = None,
    tool: Annotated[
        TextParameter, Query(description="Sessions in which this tool was called.")
    ] = None,
    reason: Annotated[
        TextParameter,
        Query(description="Sessions with this reason of a response's end, or error code."),
    ] = None,
    language: Annotated[
        TextParameter, Query(description="Sessions with a transcript in this language.")
    ] = None,
    min_duration: Annotated[DecimalParameter, Query(description="In seconds.")] = None,
    max_duration: Annotated[DecimalParameter, Query(description="In seconds.")] = None,
    min_cost: Annotated[
        DecimalParameter, Query(description="US dollars; counts only what has a known price.")
    ] = None,
    min_latency: Annotated[
        DecimalParameter, Query(description="Seconds of the slowest answer.")
    ] = None,
    min_turns: IntegerParameter = None,
    min_interruptions: IntegerParameter = None,
    score: ScoresParameter = None,
    label: LabelsParameter = None,
    sort: Annotated[
        SessionSort, Query(description="An unknown number counts as the lowest.")
    ] = "started",
    live: Annotated[
        bool, Query(description="Only open sessions, with what happens in them.")
    ] = False,
    summary: Annotated[
        bool, Query(description="Add turns, tokens, cost and slowest answer of each.")
    ] = False,
    limit: LimitParameter = 20,
    after: AfterParameter = None,
    before: BeforeParameter = None,
    order: DirectionParameter = "desc",
) -> Response:
    """List the sessions for which every filter holds.

    With `live`, each session says whether somebody speaks, and what was said last.
    """
    deep = deep_objects(request, "metadata", "created")
    filters: dict[str, Any] = created_range(deep["created"])
    filters |= given_filters(
        status=status,
        model=model,
        text=q,
        protocol=protocol,
        tool=tool,
        reason=reason,
        language=language,
        min_duration=min_duration,
        max_duration=max_duration,
        min_cost=min_cost,
        min_latency=min_latency,
        min_turns=min_turns,
        min_interruptions=min_interruptions,
        score=score,
        label=label,
    )
    page = queries.sessions(
        limit=limit,
        after=after,
        before=before,
        order=order,
        sort=sort,
        live=live,
        summary=summary,
        metadata=deep["metadata"],
        **filters,
    )
    return answer_page(page)


@router.get(
    "/{session_id}",
    summary="Retrieve a session",
    responses=documented(SESSION_SCHEMA, EXAMPLE, 404, 410),
)
def read_session(request: Request, queries: ScopedQueries, session_id: str) -> Response:
    """Return the `realtime.session` resource; what the store adds is under `eventstore`."""
    deep_objects(request)
    return answer(queries.session(session_id))


@router.get(
    "/{session_id}/state",
    summary="Retrieve the state of a session at a moment",
    responses=documented(
        STATE, {"session": EXAMPLE, "conversations": [], "responses": [], "usage": {}}, 404, 410
    ),
)
def read_state(
    request: Request,
    queries: ScopedQueries,
    session_id: str,
    at: At = None,
    dialect: Dialect = "wire",
) -> Response:
    """Return the session, its conversations with their items, its responses and its usage."""
    deep_objects(request)
    return answer(queries.state(session_id, at, dialect))


@router.get(
    "/{session_id}/usage",
    summary="Sum a session's usage up",
    tags=["usage"],
    responses=documented(
        {"type": "object", "required": ["object", "total"]},
        {"object": "list", "by": None, "data": [], "total": {"responses": 6}},
        404,
        410,
    ),
)
def read_session_usage(request: Request, queries: ScopedQueries, session_id: str) -> Response:
    """Return the session's tokens by modality, with cached ones apart, and their cost."""
    deep_objects(request)
    queries.last_seq(session_id)
    return answer(queries.usage(session=session_id))


@router.delete(
    "/{session_id}",
    summary="Erase a session",
    responses=documented(
        an_object("realtime.session.deleted", "id", "deleted"),
        {"id": "sess_123", "object": "realtime.session.deleted", "deleted": True},
        404,
        410,
    ),
)
def erase_session(
    request: Request,
    access: MayErase,
    session_id: str,
    audio_only: Annotated[bool, Query(description="Only the audio; the events stay.")] = False,
    reason: Annotated[str | None, Query(min_length=1, max_length=500)] = None,
) -> Response:
    """Erase a session for good.

    The commands `eventstore erase` and `retain` also remove its bytes from the database's files.
    """
    deep_objects(request)
    writing = stores_of(request).writing
    Log(writing.engine, access.scope).last_seq(session_id)
    erased = writing.erase(session_id, audio_only, reason, vacuum=False)
    request.app.state.sounds.forget(session_id)
    if erased.failed:
        raise erased.failed[0].error
    if not erased.done:
        raise NotFoundError(f"no session {session_id}")
    done = erased.done[0]
    deleted = {"id": session_id, "object": "realtime.session.deleted", "deleted": not audio_only}
    return answer(deleted | {"events": done.events, "sha256": done.sha256.hex()})
