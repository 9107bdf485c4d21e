"""A session whole, as people and other tools are given it: without secrets."""

from __future__ import annotations

from typing import Any

from eventstore.realtime.masking.mask import mask_value
from eventstore.store.queries.query_sessions import show_session
from eventstore.store.sessions.log import Log


def masked_state(log: Log, session_id: str, at: str | int | None = None) -> dict[str, Any]:
    """Return a session whole: `session`, `conversations` with items, `responses`, `usage`.

    Args:
        at: the state at a seq, or `+SECONDS` since the session's first event; None for now.

    Raises:
        NotFoundError: There is no such session. InvalidInputError: A bad `at`.
    """
    log.check_seen(session_id)
    state: dict[str, Any] = mask_value(show_session(log.engine, session_id, at))
    return state
