"""The route `…/{id}/audio`: makes a session's sound file once, and sends it in byte ranges.

`made_once` also serves the waveforms of `playback.py`.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from eventstore.errors import ErasedError
from eventstore.verbs.queries import Queries
from eventstore.web.api.responses import TextParameter
from eventstore.web.server.documents import documented
from eventstore.web.server.paths import IdRoute, leave_place
from eventstore.web.server.requests import ScopedQueries, asker_of, deep_objects, stores_of
from eventstore.web.sound.file_response import NamelessFileResponse
from eventstore.web.sound.sound_cache import Check, Make, SoundCache, SoundKey

router = APIRouter(prefix="/v1/realtime/sessions", tags=["audio"], route_class=IdRoute)

_KINDS = {"wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg"}
_SECONDS = "Seconds since the first event; in a GPT-Live session, on its timeline."
SecondsParameter = Annotated[float | None, Query(ge=0, le=1e6)]


#: The limits of one sound file: two hours, and a gigabyte before compression.
LIMIT_SECONDS, LIMIT_BYTES = 7200.0, 1024**3


async def made_once(
    request: Request, queries: Queries, session_id: str, kind: str, media_type: str, make: Make
) -> Response:
    """Answer with a file that is made of a session, from the cache if it is there.

    Args:
        request: The request.
        queries: Queries that may see the session.
        session_id: The session's id.
        kind: What the file contains, for the key in `SoundCache`.
        media_type: The media type of the file.
        make: Writes the file's content to a stream.

    Raises:
        NotFoundError: The queries see no such session.
        ErasedError: The session was erased.
    """
    cache: SoundCache = request.app.state.sounds
    try:
        version = await run_in_threadpool(queries.revision, session_id)
    except ErasedError:
        cache.forget(session_id)
        raise
    leave_place(request)  # making the file takes a place of another kind
    key = SoundKey(session_id, version, kind)
    file = await cache.get(queries, key, asker_of(request), make)
    tag = hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()[:40]
    return NamelessFileResponse(file, media_type, tag)


@router.get(
    "/{session_id}/audio",
    summary="Listen to a session",
    response_class=Response,
    responses=documented(
        {"type": "string", "format": "binary"},
        "RIFF…",
        404,
        410,
        416,
        kind="audio/wav",
        others=("audio/flac", "audio/ogg"),
    ),
)
async def read_audio(
    request: Request,
    queries: ScopedQueries,
    session_id: str,
    format: Literal["wav", "flac", "ogg"] = "wav",
    item: TextParameter = None,
    response: TextParameter = None,
    side: Literal["user", "assistant"] | None = None,
    start: Annotated[SecondsParameter, Query(description=_SECONDS)] = None,
    end: SecondsParameter = None,
) -> Response:
    """Return the sound of a session: the user on the left channel, the assistant on the right.

    Both sides are placed at the times at which they were heard. Range requests are answered.
    The sound of a GPT-Live session begins with the session's own timeline.
    """
    deep_objects(request)
    selected: dict[str, Any] = {
        "item": item,
        "response": response,
        "side": side,
        "start": start,
        "end": end,
    }
    store = stores_of(request).writing  # without a time limit, since a long call takes long to read

    def make(stream: BinaryIO, check: Check) -> None:
        from eventstore.sound.call_audio import SoundLimit  # numpy takes long to load

        limit = SoundLimit(LIMIT_SECONDS, LIMIT_BYTES)
        store.audio(
            session_id, stream, format, **selected, progress=lambda *_: check(), limit=limit
        )

    kind = repr((format, selected))
    return await made_once(request, queries, session_id, kind, _KINDS[format], make)
