"""Show the scores of a session, a response or an item as its resource has them."""

from __future__ import annotations

from typing import Any

from eventstore.projection.state import SessionState
from eventstore.realtime.resources.scores import ScoreTarget, score_resource


def score_notes(state: SessionState, target: ScoreTarget, id_: str = "") -> dict[str, Any]:
    """Return the field `scores` of a resource, in the order of the log; empty without scores.

    Args:
        state: The session's state.
        target: What is scored.
        id_: The id of the response or the item.
    """
    if not state.scores:  # nearly always
        return {}
    given = state.scores.get((target, id_))
    if given is None:
        return {}
    in_order = sorted(given.values(), key=lambda score: score.seq)
    return {"scores": [score_resource(state.session_id, score) for score in in_order]}
