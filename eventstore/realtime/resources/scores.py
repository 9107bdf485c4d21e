"""Scores of sessions, responses and items: the store's event that gives one, and conditions on it.

A score has a name and a value: a number, a boolean, a label or a text. The verbs and routes that
set scores make the event, the projection reads it, and filters of lists use the conditions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.catalogue import SCORED
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.values import (
    dumps,
    identifier,
    integer,
    is_storable,
    mapping,
    number,
)
from eventstore.times import parse_time, to_iso

ScoreKind = Literal["number", "boolean", "label", "text"]
ScoreTarget = Literal["session", "response", "item"]
#: The value of a score. None takes the score back.
ScoreValue = float | bool | str | None
ScoreOperator = Literal["has", "=", "<", "<=", ">", ">="]

#: Limits in characters: of a score's name, of who gave it, of a label, a text and a reason.
MAX_NAME_LENGTH, MAX_BY_LENGTH, MAX_LABEL_LENGTH = 64, 64, 128
MAX_TEXT_LENGTH, MAX_REASON_LENGTH = 2000, 1000
#: How far from zero a number may be, so that numbers can be added up.
MAX_NUMBER = 1e100
#: How many scores one session, response or item has at most, and a session with all in it.
MAX_SCORES_OF_TARGET, MAX_SCORES = 32, 1000

_CONDITION = re.compile(r"([^<>=!^]+)(?:(<=|>=|<|>|=)(.*))?", re.DOTALL)
_NOT_IN_NAMES = frozenset("<>=!^")
_TRUTH = {"true": True, "false": False}
_KINDS = get_args(ScoreKind)


class Score(NamedTuple):
    """One score, as an event of the log gives it.

    Attributes:
        target, target_id: What is scored: `session` with an empty id, or `response` or `item` with
            its id.
        name: The name of the score, such as `helpful`.
        by: Who or what gave it; empty if that is not told.
        kind, value: The kind of the value, and the value; None takes the score back.
        reason: Why it was given, or None.
        at: When it was given, in microseconds since 1970 UTC, or None if that is not known.
        seq: The event that gave it.
    """

    target: ScoreTarget
    target_id: str
    name: str
    by: str
    kind: ScoreKind
    value: ScoreValue
    reason: str | None
    at: int | None
    seq: int


class ScoreCondition(NamedTuple):
    """A condition on scores.

    Attributes:
        name: The name of the score.
        operator: `has` for any value; otherwise how the value is compared.
        value: The number, the truth or the label to compare with; None for `has`.
    """

    name: str
    operator: ScoreOperator
    value: float | bool | str | None = None


def parse_score_condition(text: str) -> ScoreCondition:
    """Return the condition in a text: `NAME`, `NAME<NUMBER`, `NAME=true`, `NAME=LABEL`, and so on.

    Raises:
        InvalidInputError: The text is no such condition.
    """
    match = _CONDITION.fullmatch(text)
    if match is None or not _is_name(match[1]):
        raise InvalidInputError(
            f"score {brief(text)}: use NAME, NAME<NUMBER, <=, >, >=, NAME=NUMBER, NAME=true or"
            " NAME=LABEL"
        )
    name, operator, written = match[1], match[2], match[3]
    if operator is None:
        return ScoreCondition(name, "has")
    value: float | bool | str | None = read_number(written)
    if operator == "=":
        value = _TRUTH.get(written, written if value is None else value)
        if isinstance(value, str) and not is_label(value):
            raise InvalidInputError(f"score {brief(text)}: {brief(value)} is no label")
    elif value is None:
        raise InvalidInputError(f"score {brief(text)}: {operator} compares with a number")
    return ScoreCondition(name, operator, value)  # type: ignore[arg-type]


def read_number(text: str) -> float | None:
    """Return the finite number that a text writes, or None if it is none."""
    try:
        return number(float(text)) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def read_value(text: str) -> ScoreValue:
    """Return the value that a text on a command line or a page means: a truth, a number or text."""
    if text in _TRUTH:
        return _TRUTH[text]
    found = read_number(text)
    if found is None:
        return text
    return int(text) if text.lstrip("+-").isdecimal() and integer(int(found)) else found


def _is_name(name: Any) -> bool:
    """Return True if a value can be the name of a score."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        return False
    return _is_line(name) and _NOT_IN_NAMES.isdisjoint(name)


def is_label(value: Any) -> bool:
    """Return True if a value can be a label: one short line of text."""
    return isinstance(value, str) and 0 < len(value) <= MAX_LABEL_LENGTH and _is_line(value)


def _is_line(value: str) -> bool:
    return value.isprintable() and value == value.strip() and is_storable(value)


def kind_of(value: Any) -> ScoreKind | None:
    """Return the kind of a value that names none: text is a label if it can be one."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "label" if is_label(value) else "text"
    return None


def _is_value(kind: str, value: Any) -> bool:
    """Return True if a value is of a kind, and within the limits."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        found = number(value)
        return found is not None and abs(found) <= MAX_NUMBER
    if kind == "label":
        return is_label(value)
    is_text = isinstance(value, str) and is_storable(value)
    return is_text and 0 < len(value) <= MAX_TEXT_LENGTH


def read_score(told: Any, seq: int, at: int | None) -> Score | None:
    """Return the score that an event tells, or None if it is not valid.

    Args:
        told: The field `score` of the event.
        seq, at: The event's place in the log, and its time.
    """
    score = mapping(told)
    target = _read_target(score.get("target"))
    name, by, reason = score.get("name"), score.get("by"), score.get("reason")
    value = score.get("value")
    kind: ScoreKind | None = score.get("kind") or kind_of(value)
    if target is None or not isinstance(name, str) or not _is_name(name):
        return None
    if value is None:
        kind = "label"
    if kind is None or kind not in _KINDS or (value is not None and not _is_value(kind, value)):
        return None
    if by is not None and not _is_by(by):
        return None
    if reason is not None and not _is_reason(reason):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and integer(value) is None:
        value = float(value)
    given_at = _read_time(score.get("at"))
    return Score(
        *target, name, by or "", kind, value, reason, at if given_at is None else given_at, seq
    )


def _read_target(told: Any) -> tuple[ScoreTarget, str] | None:
    """Return what is scored, or None if that is not valid."""
    if told is None or told == {}:
        return "session", ""
    if not isinstance(told, dict) or len(told) != 1:
        return None
    for field, target in _TARGETS.items():
        if field in told:
            found = identifier(told[field])
            return None if found is None else (target, found)
    return None


_TARGETS: Mapping[str, ScoreTarget] = {"response_id": "response", "item_id": "item"}


def _read_time(told: Any) -> int | None:
    if not isinstance(told, str):
        return None
    try:
        return parse_time(told)
    except ValueError:
        return None


def _is_by(by: Any) -> bool:
    return isinstance(by, str) and 0 < len(by) <= MAX_BY_LENGTH and _is_line(by)


def _is_reason(reason: Any) -> bool:
    return isinstance(reason, str) and len(reason) <= MAX_REASON_LENGTH and is_storable(reason)


def score_frame(
    name: str,
    value: ScoreValue,
    *,
    response_id: str | None,
    item_id: str | None,
    by: str | None,
    reason: str | None,
    kind: ScoreKind | None,
    given_at: int | None,
    at: int,
) -> Frame:
    """Return the store's own event that gives a score, or takes it back.

    Args:
        name: The name of the score.
        value: The value; None takes the score back.
        response_id: The response that is scored, or None.
        item_id: The item that is scored, or None. Without both, the session is scored.
        by: Who or what gives the score.
        reason: Why.
        kind: The kind of the value; None to tell it by the value.
        given_at: When the score was given; None for the time of the event.
        at: The time of the event. Both in microseconds since 1970 UTC.

    Raises:
        InvalidInputError: An argument is wrong.
    """
    target: dict[str, str] = {}
    for field, id_ in (("response_id", response_id), ("item_id", item_id)):
        if id_ is not None:
            if identifier(id_) is None or not is_storable(id_):
                raise InvalidInputError(f"{field} is {brief(id_)}; use an id")
            target[field] = id_
    if len(target) > 1:
        raise InvalidInputError("give a response or an item, not both")
    if not _is_name(name):
        raise InvalidInputError(
            f"the score's name is {brief(name)}; use one line of 1 to {MAX_NAME_LENGTH} characters"
            " without any of < > = ! ^"
        )
    if kind is not None and kind not in _KINDS:
        raise InvalidInputError(
            f"kind is {brief(kind)}; use {', '.join(_KINDS[:-1])} or {_KINDS[-1]}"
        )
    kind = kind or kind_of(value)
    if value is not None and (kind is None or not _is_value(kind, value)):
        raise InvalidInputError(_refusal(kind, value))
    if by is not None and not _is_by(by):
        raise InvalidInputError(
            f"by is {brief(by)}; use one line of 1 to {MAX_BY_LENGTH} characters"
        )
    if reason is not None and not _is_reason(reason):
        raise InvalidInputError(
            f"the reason is no text of at most {MAX_REASON_LENGTH} characters, without NUL"
        )
    told = {"name": name, "kind": kind, "value": value, "target": target}
    told |= {"by": by, "reason": reason, "at": to_iso(given_at)}
    kept = {key: told[key] for key in told if key == "value" or told[key] is not None}
    return Frame(STORE, dumps({"type": SCORED, "score": kept}), at)


def _refusal(kind: str | None, value: Any) -> str:
    """Return why a value is not of a kind."""
    wanted = {
        "number": f"a number between {-MAX_NUMBER:g} and {MAX_NUMBER:g}",
        "boolean": "true or false",
        "label": f"a label: one line of 1 to {MAX_LABEL_LENGTH} characters",
        "text": f"text of 1 to {MAX_TEXT_LENGTH} characters, without NUL",
    }
    return f"the value is {brief(value)}; use {wanted.get(str(kind), 'a number, a truth or text')}"


def score_resource(session_id: str, score: Score) -> dict[str, Any]:
    """Return a score as resources and lists show it."""
    return {
        "id": str(score.seq),
        "object": "eventstore.score",
        "session_id": session_id,
        "response_id": score.target_id if score.target == "response" else None,
        "item_id": score.target_id if score.target == "item" else None,
        "name": score.name,
        "kind": score.kind,
        "value": score.value,
        "by": score.by or None,
        "reason": score.reason,
        "at": to_iso(score.at),
    }


def score_words(resources: Any) -> list[str]:
    """Return the scores of a resource as short texts: `helpful 0.5 (judge)`.

    Args:
        resources: The field `scores` of a resource's notes.
    """
    words = []
    for score in map(mapping, resources if isinstance(resources, list) else []):
        value, by = score.get("value"), score.get("by")
        shown = str(value).lower() if isinstance(value, bool) else value
        words.append(f"{score.get('name')} {shown}" + (f" ({by})" if by else ""))
    return words
