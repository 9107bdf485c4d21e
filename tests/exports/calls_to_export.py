"""Sessions to export: the recorded ones, the sample call, and what tests write."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from support import recordings
from support.events import log_events

from eventstore import EventStore, Frame
from eventstore.demo import call_lines
from eventstore.projection.fold import fold
from eventstore.projection.handlers.session import close_session
from eventstore.projection.state import SessionState
from eventstore.store.queries.query_sessions import state_resources

SAMPLE = "sess_Demo0wh8M7iLQ5xcsWTic"


def put_sample(store: EventStore, **metadata: str) -> str:
    """The sample call in a store; its session id."""
    content = "".join(f"{line}\n" for line in call_lines()).encode()
    store.import_file(io.BytesIO(content), metadata=metadata)
    return SAMPLE


def put_everything(store: EventStore) -> list[str]:
    """All recordings, with times and without, and the sample call; the ids of the sessions."""
    ids = [put_sample(store, customer="42")]
    for path in recordings.streams():
        for start in (1_700_000_000_000_000, None):
            session_id = f"{path.stem}-{'timed' if start else 'untimed'}"
            store.append(session_id, recordings.frames(path, start))
            store.set_metadata(session_id, {"source": path.stem})
            ids.append(session_id)
    return ids


def state_of(frames: Iterable[Frame], session_id: str = "sess_test") -> SessionState:
    """The state that events add up to."""
    return fold(session_id, log_events(frames))


def shown(frames: Iterable[Frame], closed: bool = False) -> dict[str, Any]:
    """A session whole, as `EventStore.state` gives it."""
    state = state_of(frames)
    if closed:
        close_session(state)
    return state_resources(state)
