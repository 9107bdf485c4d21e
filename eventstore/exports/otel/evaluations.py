"""Make the scores of a session events of its spans, by the conventions for generative AI. Pure.

A score is an event `gen_ai.evaluation.result` of the span of what is scored. The event has the time
of the score, which may be long after the span's end. Called by session_spans.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.exports.otel.spans import Attributes, Evaluation, Span, Value, known_attributes
from eventstore.exports.otel.spans import span_id as id_of_span
from eventstore.projection.state import SessionState
from eventstore.realtime.resources.scores import Score


def add_evaluations(state: SessionState, spans: Sequence[Span], content: bool) -> None:
    """Add the scores of a session to its spans, in the order of the log.

    Args:
        spans: The spans, the root first. A score of what has no span of its own goes to the span of
            the response that it belongs to, or else to the root.
        content: Include reasons and texts, which may repeat what was said.
    """
    if not state.scores:
        return
    by_id = {span.span_id: span for span in spans}
    given = [score for scores in state.scores.values() for score in scores.values()]
    for score in sorted(given, key=lambda one: one.seq):
        span = next(
            (by_id[id_] for id_ in _span_ids(state, score) if id_ in by_id),
            spans[0],
        )
        at = span.end if score.at is None else score.at
        span.evaluations.append(Evaluation(at, _attributes(state, score, content)))


def _span_ids(state: SessionState, score: Score) -> list[bytes]:
    """Return the ids that the span of what is scored can have, the best one first."""
    id_ = score.target_id
    if score.target == "response":
        return [id_of_span(state.session_id, "response", id_)]
    if score.target == "session":
        return []
    item = state.items.get(id_)
    parts = item.parts if item is not None else ()
    named = [("tool", id_), ("speech", id_), ("decision", id_)]
    named += [("transcription", f"{id_}\0{index}") for index in parts]
    if item is not None and item.response_id is not None:
        named.append(("response", item.response_id))
    return [id_of_span(state.session_id, kind, name) for kind, name in named]


def _attributes(state: SessionState, score: Score, content: bool) -> Attributes:
    is_item, value, label = score.target == "item", None, None
    item = state.items.get(score.target_id) if is_item else None
    if score.kind == "number" and isinstance(score.value, int | float):
        value = float(score.value)
    elif score.kind == "boolean":
        value, label = float(bool(score.value)), "true" if score.value else "false"
    elif score.kind == "label":
        label = str(score.value)
    response_id = item.response_id if item is not None else score.target_id
    told: dict[str, Value | None] = {
        "gen_ai.evaluation.name": score.name,
        "gen_ai.evaluation.score.value": value,
        "gen_ai.evaluation.score.label": label,
        "gen_ai.evaluation.explanation": score.reason if content else None,
        "gen_ai.response.id": None if score.target == "session" else response_id,
        "eventstore.score.by": score.by or None,
        "eventstore.score.kind": score.kind,
        "eventstore.score.item_id": score.target_id if is_item else None,
        "eventstore.score.text": str(score.value) if content and score.kind == "text" else None,
    }
    if is_item and item is None:
        told["gen_ai.response.id"] = None
    return known_attributes(told)
