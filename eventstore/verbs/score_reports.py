"""What verbs return about scores, for type checkers: plain dictionaries."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict


class ScoreResource(TypedDict):
    """A score of a session, a response or an item.

    Attributes:
        id: The sequence number of the event that gave it, as text.
        object: `eventstore.score`.
        session_id: The session.
        response_id: The response that is scored, or None.
        item_id: The item that is scored, or None. Without both, the session is scored.
        name: The name of the score.
        kind: `number`, `boolean`, `label` or `text`.
        value: The number, the truth, the label or the text.
        by: Who or what gave it, if that is known.
        reason: Why, if that is known.
        at: When, as ISO 8601 text in UTC.
    """

    id: str
    object: str
    session_id: str
    response_id: str | None
    item_id: str | None
    name: str
    kind: Literal["number", "boolean", "label", "text"]
    value: float | bool | str | None
    by: str | None
    reason: str | None
    at: str | None


class ScoreEntry(TypedDict):
    """The scores of one name in one group.

    Attributes:
        object: `eventstore.scores`.
        key: The group: a name, a day, a model, who gave them, a session, or a value of metadata.
        name: The name of the scores.
        count: How many scores.
        numbers: How many of them are numbers.
        mean: The mean of the numbers; None if there is none.
        min: The least of the numbers.
        max: The greatest of the numbers.
        true: How many are true.
        false: How many are false.
        true_share: The share of true among these, 0 to 1; None if there is none.
        labelled: How many are labels.
        labels: How often each label was given, the hundred most frequent ones; empty in an
            encrypted store.
        texts: How many are texts.
    """

    object: str
    key: str | None
    name: str
    count: int
    numbers: int
    mean: float | None
    min: float | None
    max: float | None
    true: int
    false: int
    true_share: float | None
    labelled: int
    labels: dict[str, int]
    texts: int


class ScoreReport(TypedDict):
    """What `score_sums` returns: `data` with one entry for each group and name."""

    object: str
    by: str
    data: list[ScoreEntry]
