"""The route of a session's sound: made once, and served in ranges as players ask for it."""

from __future__ import annotations

import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from eventstore.errors import ErasedError
from eventstore.queries import Queries
from eventstore.web.documents import documented
from eventstore.web.paths import IdRoute
from eventstore.web.requests import Seen, deep_objects, stores_of
from eventstore.web.responses import Text

router = APIRouter(prefix="/v1/realtime/sessions", tags=["audio"], route_class=IdRoute)

_KINDS = {"wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg"}
Seconds = Annotated[float | None, Query(ge=0, le=1e6)]


class SoundCache:
    """Files of sound in a folder of its own, the oldest deleted where they take too much.

    Args:
        most: bytes that they take together.
    """

    def __init__(self, most: int = 2 * 1024**3) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="eventstore-sound-")
        self._most, self._lock = most, Lock()
        self._files: OrderedDict[str, int] = OrderedDict()

    def get(
        self, queries: Queries, session_id: str, kind: str, make: Callable[[Path], object]
    ) -> Path:
        """The file of a session as it is now, made where there is none; older ones are deleted.

        Args:
            queries: which see the session.
            kind: what is made of it.

        Raises:
            NotFoundError: they see no such session. ErasedError: it was erased.
        """
        try:
            version = queries.version(session_id)
        except ErasedError:
            self.forget(session_id)
            raise
        name = f"{_hashed(session_id)}-{_hashed(repr(version))}"
        path = Path(self._folder.name) / f"{name}-{_hashed(kind)}"
        with self._lock:  # one at a time: making takes a core
            self._keep_only(session_id, name)
            if path.name not in self._files:
                make(path)
                self._files[path.name] = path.stat().st_size
            self._files.move_to_end(path.name)
            while len(self._files) > 1 and sum(self._files.values()) > self._most:
                self._drop(next(iter(self._files)))
        return path

    def forget(self, session_id: str) -> None:
        """Delete what was made of a session."""
        with self._lock:
            self._keep_only(session_id, None)

    def _keep_only(self, session_id: str, version: str | None) -> None:
        of_session = f"{_hashed(session_id)}-"
        for name in [name for name in self._files if name.startswith(of_session)]:
            if version is None or not name.startswith(f"{version}-"):
                self._drop(name)

    def _drop(self, name: str) -> None:
        del self._files[name]
        (Path(self._folder.name) / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Delete all files."""
        self._folder.cleanup()


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:40]


@router.get(
    "/{session_id}/audio",
    summary="Listen to a session",
    response_class=FileResponse,
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
def read_audio(
    request: Request,
    queries: Seen,
    session_id: str,
    format: Literal["wav", "flac", "ogg"] = "wav",
    item: Text = None,
    response: Text = None,
    side: Literal["user", "assistant"] | None = None,
    start: Annotated[Seconds, Query(description="Seconds since the first event.")] = None,
    end: Seconds = None,
) -> Response:
    """The user left, the assistant right, in true time; ranges are answered."""
    deep_objects(request)
    selected = {"item": item, "response": response, "side": side, "start": start, "end": end}
    cache: SoundCache = request.app.state.sounds
    store = stores_of(request).writing  # reading a long call may take its time
    kind = repr((format, selected))
    path = cache.get(
        queries, session_id, kind, lambda made: store.audio(session_id, made, format, **selected)
    )
    return FileResponse(path, media_type=_KINDS[format])
