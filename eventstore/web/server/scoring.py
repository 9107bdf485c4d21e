"""Give a score on behalf of a request. Called by `web/api/scores.py` and `web/pages/scores.py`."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from eventstore.verbs.scores import frame_of_score
from eventstore.web.server.access import Access
from eventstore.web.server.requests import scoped, stores_of


def score_session(
    request: Request, access: Access, session_id: str, told: dict[str, Any]
) -> dict[str, Any]:
    """Score a session, a response or an item that a key may see, and return the score.

    Args:
        request: The request; the store of its application is scored in.
        access: What the request's key may do.
        session_id: The session's id.
        told: The score, as the body of a request tells it.

    Raises:
        NotFoundError: There is no such session, response or item, or not for this key.
        ErasedError: The session was erased.
        InvalidInputError: The score is wrong.
    """
    store = stores_of(request).writing
    given = {key.removesuffix("_id"): value for key, value in told.items()}
    frame_of_score(**given)  # a wrong score is told before it is looked for what it is of
    scoped(store, access).last_seq(session_id)
    return dict(store.score(session_id, **given))
