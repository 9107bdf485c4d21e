"""Read the texts by which filters choose scores: conditions such as `helpful<0.5`, and labels.

Called by filters.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.brief import brief
from eventstore.realtime.resources.scores import (
    MAX_LABEL_LENGTH,
    ScoreCondition,
    parse_score_condition,
)

#: How many conditions a filter has at most; each of them is a lookup.
_MOST = 32


def read_score_conditions(value: Any) -> tuple[ScoreCondition, ...]:
    """Return the conditions on scores that a value from outside names: `helpful<0.5`, or several.

    Raises:
        ValueError, InvalidInputError: There are too many conditions, or one is not valid.
    """
    return tuple(map(parse_score_condition, _texts(value)))


def read_labels(value: Any) -> tuple[str, ...]:
    """Return the labels that a value from outside names: one text, or several.

    Raises:
        ValueError: There are too many labels, or one is too long.
    """
    labels = _texts(value)
    if any(len(label) > MAX_LABEL_LENGTH for label in labels):
        raise ValueError(f"a label has at most {MAX_LABEL_LENGTH} characters")
    return labels


def _texts(value: Any) -> tuple[str, ...]:
    """Return one or several texts as a tuple; None is none of them."""
    texts = () if value is None else (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        raise ValueError(f"{brief(value)} is neither a text nor several")
    if len(texts) > _MOST:
        raise ValueError(f"at most {_MOST} conditions")
    return tuple(texts)
