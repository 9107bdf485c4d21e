"""The routes `…/{id}/transcript`, `/waveform` and `/reseed`, which players of a session use."""

from __future__ import annotations

from typing import Any, BinaryIO, Literal

from fastapi import APIRouter, Request, Response

from eventstore.realtime.protocols import Protocol
from eventstore.realtime.resources.session_config import ClientDialect
from eventstore.realtime.values import dumps
from eventstore.web.api.audio import made_once
from eventstore.web.api.sessions import At
from eventstore.web.server.documents import a_list, an_object, answer, documented
from eventstore.web.server.paths import IdRoute
from eventstore.web.server.requests import MayRead, ScopedQueries, deep_objects, scoped, stores_of
from eventstore.web.sound.sound_cache import Check

router = APIRouter(prefix="/v1/realtime/sessions", tags=["playback"], route_class=IdRoute)

PLAYBACK_TURN: dict[str, Any] = {
    "type": "object",
    "required": ["id", "object", "seq", "speaker", "kind", "at", "text", "unheard", "notes"],
    "properties": {"object": {"const": "eventstore.turn"}, "seq": {"type": "integer"}},
}
_TURN_EXAMPLE = {
    "id": "464",
    "object": "eventstore.turn",
    "seq": 464,
    "speaker": "assistant",
    "kind": "said",
    "at": 14.729,
    "text": "You can send it back within thirty days",
    "unheard": "if it has not been ridden.",
    "notes": ["0.49 s to first audio", "interrupted"],
    "item_id": "item_123",
    "response_id": "resp_123",
    "done_seq": 730,
}


@router.get(
    "/{session_id}/transcript",
    summary="Read a session",
    responses=documented(
        a_list(PLAYBACK_TURN),
        {
            "object": "list",
            "data": [_TURN_EXAMPLE],
            "first_id": "464",
            "last_id": "464",
            "has_more": False,
        },
        404,
        410,
    ),
)
def read_transcript(request: Request, queries: ScopedQueries, session_id: str) -> Response:
    """Return the whole transcript in order: what was said and heard, and the calls of tools."""
    deep_objects(request)
    data = [
        {"id": str(turn.seq), "object": "eventstore.turn", **turn._asdict()}
        for turn in queries.transcript(session_id)
    ]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    nothing = {"first_id": None, "last_id": None}
    return answer({"object": "list", "data": data, **nothing, **ends, "has_more": False})


@router.get(
    "/{session_id}/waveform",
    summary="Draw a session",
    response_class=Response,
    responses=documented(
        an_object("eventstore.waveform", "start", "end", "user", "assistant", "turns", "marks"),
        {
            "object": "eventstore.waveform",
            "session_id": "sess_123",
            "start": 0.0,
            "end": 0.1,
            "timed": True,
            "per_second": 50.0,
            "user": [0, 3, 40, 41, 2],
            "assistant": [0, 0, 0, 0, 0],
            "turns": [],
            "marks": [],
            "notes": [],
        },
        404,
        410,
    ),
)
async def read_waveform(request: Request, access: MayRead, session_id: str) -> Response:
    """Return the loudness of both sides, the turns with the times of their words, and marks."""
    deep_objects(request)
    # The store for writing has no time limit, and a long call takes long to read.
    queries = scoped(stores_of(request).writing, access)

    def make(stream: BinaryIO, check: Check) -> None:
        stream.write(dumps(queries.waveform(session_id, check)).encode())

    return await made_once(request, queries, session_id, "waveform", "application/json", make)


@router.get(
    "/{session_id}/reseed",
    summary="Go on from a session",
    responses=documented(
        {
            "type": "object",
            "required": ["object", "data", "skipped"],
            "properties": {"object": {"const": "list"}},
        },
        {
            "object": "list",
            "data": [{"type": "session.update", "session": {"type": "realtime"}}],
            "skipped": [{"item_id": "item_123", "reason": "speech without a transcript"}],
        },
        404,
        410,
    ),
)
def read_reseed(
    request: Request,
    queries: ScopedQueries,
    session_id: str,
    at: At = None,
    dialect: ClientDialect = "ga",
    assistant_as: Literal["text", "system"] = "text",
    to: Protocol | None = None,
) -> Response:
    """Return the client events that rebuild the conversation, and the items that they lack."""
    deep_objects(request)
    made = queries.reseed(session_id, at, dialect, assistant_as=assistant_as, to=to)
    return answer({"object": "list", "data": made.events, "skipped": made.skipped})
