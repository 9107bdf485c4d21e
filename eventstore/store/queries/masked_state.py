"""Return a session with its conversations, responses and usage, without secrets.

Called by verbs/queries.py, the exports as a page and as a waveform, and sound/plot.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.masking.mask import mask_value
from eventstore.store.queries.query_sessions import show_session
from eventstore.store.sessions.log import Log


def masked_state(log: Log, session_id: str, at: str | int | None = None) -> dict[str, Any]:
    """Return a session's state as resources, with "[removed]" in place of secrets.

    The keys are `session`, `conversations` (each with its items), `responses` and `usage`.

    Args:
        at: A seq, or `+SECONDS` since the session's first event, or on the timeline of a GPT-Live
            session; None for now.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
        InvalidInputError: `at` is not valid, or the session has no times.
    """
    log.check_seen(session_id)
    state: dict[str, Any] = mask_value(show_session(log.engine, session_id, at))
    return state
