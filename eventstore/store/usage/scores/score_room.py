"""Check that a new score would be kept, before it is given. Called by verbs/scores.py.

The projection keeps a limited number of scores, and leaves out what is beyond: whoever gives such a
score is told so.
"""

from __future__ import annotations

from sqlalchemy import Engine

from eventstore.errors import InvalidInputError
from eventstore.realtime.resources.scores import MAX_SCORES, MAX_SCORES_OF_TARGET, Score
from eventstore.store.database.transaction import read
from eventstore.store.usage.scores.query_scores import read_scores

COUNT = "SELECT COUNT(*) FROM scores WHERE session_id = ?"


def check_room(engine: Engine, session_id: str, score: Score) -> None:
    """Check that a session keeps one more score, or has one that the score replaces.

    Raises:
        InvalidInputError: It would not be kept.
    """
    with read(engine) as tx:
        [(count,)] = tx.rows(COUNT, (session_id,))
    if score.value is None or count < MAX_SCORES_OF_TARGET:
        return
    target = f"{score.target}_id"
    of_target = {
        (told["name"], told["by"] or "")
        for told in read_scores(engine, session_id)
        if (told["response_id"] or told["item_id"] or "") == score.target_id
        and (score.target == "session" or told[target] is not None)
    }
    if (score.name, score.by) in of_target:
        return
    if len(of_target) >= MAX_SCORES_OF_TARGET:
        scored = f"{score.target} {score.target_id or session_id}"
        raise InvalidInputError(f"{scored} has {MAX_SCORES_OF_TARGET} scores, the most; {_ADVICE}")
    if count >= MAX_SCORES:
        raise InvalidInputError(f"session {session_id} has {MAX_SCORES:,} scores; {_ADVICE}")


_ADVICE = "take one back, or replace one of the same name by the same giver"
