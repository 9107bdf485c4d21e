"""Handle the store's note that scores a session, a response or an item.

Called by the fold for sessions of every protocol. The last score of a name by the same giver
counts; the log keeps all of them.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.state import LogEvent, SessionState
from eventstore.realtime.catalogue import SCORED
from eventstore.realtime.resources.scores import MAX_SCORES, MAX_SCORES_OF_TARGET, read_score


def note_score(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep a score, or remove one that is taken back."""
    score = read_score(body.get("score"), event.seq, event.at)
    if score is None:
        state.diagnose(event, "bad_score", "the event tells no valid score: it counts for nothing")
        return
    target, name = (score.target, score.target_id), (score.name, score.by)
    known = state.scores.get(target, {})
    if score.value is None:
        if name not in known:
            return
        del known[name]
        state.scores_count -= 1
        if not known:
            del state.scores[target]
    else:
        if name not in known:
            if len(known) >= MAX_SCORES_OF_TARGET or state.scores_count >= MAX_SCORES:
                told = f"no more than {MAX_SCORES_OF_TARGET} scores of one thing are kept, and"
                state.diagnose(event, "too_many_scores", f"{told} {MAX_SCORES} of a session")
                return
            state.scores_count += 1
        state.scores.setdefault(target, known)[name] = score
    state.dirty.scores.add((*target, *name))


#: The store's notes that this module handles.
SCORE_NOTES = {SCORED: note_score}
