"""Make the rows of the read model `scores` from a session's state.

A row has the time of what is scored, by which lists are sorted, and not that of the score. Called
by write_read_models.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from eventstore.projection.state import SessionState
from eventstore.realtime.resources.scores import Score, ScoreTarget, score_resource
from eventstore.realtime.values import column_text, dumps, text

if TYPE_CHECKING:
    from eventstore.store.database.transaction import Row

#: What names a score in its session: what is scored (its kind and id), the name and the giver.
ScoreKey = tuple[ScoreTarget, str, str, str]


def changed_score_keys(state: SessionState) -> set[ScoreKey]:
    """Return the keys of scores whose rows may differ from those that were written last.

    The row of a score also tells when the response or item came, which response an item belongs to,
    and the model of the response or of the session.
    """
    dirty = state.dirty
    keys = set(dirty.scores)
    targets: list[tuple[ScoreTarget, str]] = list(state.scores)
    if session_model(state) == state.scored_model:
        targets = [("response", id_) for id_ in dirty.responses]
        targets += [("item", id_) for id_ in dirty.items]
        targets += [("item", id_) for id_ in _items_of(state, dirty.responses)]
    for target in targets:
        keys.update((*target, *name) for name in state.scores.get(target, ()))
    return keys


def _items_of(state: SessionState, response_ids: set[str]) -> Iterator[str]:
    """Yield the ids of scored items that belong to responses."""
    if not response_ids:
        return
    for target, id_ in state.scores:
        if target == "item" and _response_of(state, id_) in response_ids:
            yield id_


def _response_of(state: SessionState, item_id: str) -> str | None:
    """Return the id of the response that an item belongs to, or that it is answered by."""
    item = state.items.get(item_id)
    return None if item is None else item.response_id or item.answered_by


def session_model(state: SessionState) -> str | None:
    """Return the model of a session as its row has it."""
    return column_text(state.wire.get("model"))


def _model_of(state: SessionState, response_id: str | None) -> str | None:
    """Return the model of a response, or that of the session if the response tells none."""
    response = state.responses.get(response_id) if response_id is not None else None
    told = None if response is None else column_text(text(response.session.get("model")))
    return session_model(state) if told is None else told


def score_rows(state: SessionState, keys: Iterable[ScoreKey], opened_at: int) -> list[Row]:
    """Return the rows of the scores that are there, of those that the keys name.

    Args:
        state: The session's state.
        keys: The keys of scores.
        opened_at: The time of a session without times, in microseconds since 1970 UTC.
    """
    found = ((key, score_of(state, key)) for key in keys)
    return [_score_row(state, key, score, opened_at) for key, score in found if score is not None]


def all_score_rows(state: SessionState, opened_at: int) -> list[Row]:
    """Return the rows of all scores of a session."""
    keys = [(*target, *name) for target, given in state.scores.items() for name in given]
    return score_rows(state, keys, opened_at)


def score_of(state: SessionState, key: ScoreKey) -> Score | None:
    """Return the score with a key, or None if there is none, or it was taken back."""
    target, id_, name, by = key
    return state.scores.get((target, id_), {}).get((name, by))


def taken_back(state: SessionState) -> list[Row]:
    """Return the primary keys of the rows of changed scores that are not there any more."""
    gone = (key for key in state.dirty.scores if score_of(state, key) is None)
    return [(state.session_id, *key) for key in gone]


def scored_at(state: SessionState, target: ScoreTarget, id_: str, opened_at: int) -> int:
    """Return the time of what is scored: that of its session as long as it has not come.

    Args:
        target, id_: What is scored: its kind and its id.
        opened_at: The time of a session without times, in microseconds since 1970 UTC.
    """
    at = state.first_at
    if target == "response" and id_ in state.responses:
        at = state.responses[id_].seen_at
    elif target == "item" and id_ in state.items:
        at = state.items[id_].seen_at
    return at if at is not None else opened_at


def _score_row(state: SessionState, key: ScoreKey, score: Score, opened_at: int) -> Row:
    response_id = None
    if score.target == "response":
        response_id = score.target_id
    elif score.target == "item":
        response_id = _response_of(state, score.target_id)
    is_number = score.kind in ("number", "boolean")
    return (
        state.session_id,
        *key,
        score.seq,
        scored_at(state, score.target, score.target_id, opened_at),
        response_id,
        score.kind,
        float(score.value or 0) if is_number else None,
        column_text(score.value) if score.kind == "label" else "",
        dumps(score_resource(state.session_id, score)),
        _model_of(state, response_id),
    )
