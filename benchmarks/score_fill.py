"""Rows of scores, about as many as a team gives: by a judge, by a check, and by people."""

from __future__ import annotations

import random
from typing import Any

from eventstore.realtime.resources.scores import Score, ScoreKind, ScoreTarget, score_resource
from eventstore.realtime.values import dumps

#: The labels under `topic`.
TOPICS = (
    *("delivery", "invoice", "refund of a voucher", "opening hours", "warranty", "new contract"),
    *("change of address", "complaint", "price", "other"),
)
#: Labels that few things have: a session, a response.
RARE_OF_SESSIONS, RARE_OF_RESPONSES = "refund", "wrong price"
JUDGE, CHECK, PERSON = "judge-1", "check-solved", "anna"

Row = tuple[Any, ...]


def score_rows(session: str, response: str, at: int, model: str, is_first: bool) -> list[Row]:
    """Return the rows of a response's scores, and with its first response those of a session.

    A tenth of the responses has a number, and one in 5,000 a label. Each session has a truth, each
    fifth a label of ten, one in 50 a text, and one in 500 a label of its own.

    Args:
        at, model: When the response came, and its model.
        is_first: It is the first of its session.
    """
    chance = random.Random(response)
    of_response: tuple[ScoreTarget, str] = ("response", response)
    of_session: tuple[ScoreTarget, str] = ("session", "")
    rows = []

    def give(
        target: tuple[ScoreTarget, str], name: str, by: str, kind: ScoreKind, value: float | str
    ) -> None:
        reason = "no price was told, and no date" if by == JUDGE else None
        score = Score(*target, name, by, kind, value, reason, at, 1200 + len(rows))
        rows.append(_row(session, score, at, model))

    if chance.random() < 1 / 10:
        give(of_response, "helpful", JUDGE, "number", round(chance.random(), 2))
    if chance.random() < 1 / 5000:
        give(of_response, "label", PERSON, "label", RARE_OF_RESPONSES)
    if is_first:
        give(of_session, "solved", CHECK, "boolean", chance.random() < 0.8)
        if chance.random() < 1 / 5:
            give(of_session, "topic", JUDGE, "label", chance.choice(TOPICS))
        if chance.random() < 1 / 50:
            give(of_session, "comment", PERSON, "text", "The caller asked twice for the date.")
        if chance.random() < 1 / 500:
            give(of_session, "label", PERSON, "label", RARE_OF_SESSIONS)
    return rows


def _row(session: str, score: Score, at: int, model: str) -> Row:
    is_number = score.kind in ("number", "boolean")
    return (
        *(session, score.target, score.target_id, score.name, score.by, score.seq, at),
        score.target_id or None,
        score.kind,
        float(score.value or 0) if is_number else None,
        score.value if score.kind == "label" else "",
        dumps(score_resource(session, score)),
        model,
    )
