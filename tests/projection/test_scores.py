"""Unit: what the fold keeps of scores, and that hostile ones count for nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from support.calls import voice_call
from support.events import START, log_events
from support.strategies import scores

from eventstore.errors import InvalidInputError
from eventstore.projection.fold import fold
from eventstore.projection.state import SessionState
from eventstore.projection.views import resources
from eventstore.projection.views.session_resource import session_resource
from eventstore.realtime.frames import CLIENT, SERVER, STORE, Frame
from eventstore.realtime.resources.scores import (
    MAX_SCORES,
    MAX_SCORES_OF_TARGET,
    SCORED,
    ScoreCondition,
    parse_score_condition,
    read_score,
    read_value,
    score_frame,
)

Json = dict[str, Any]
HELPFUL = {"name": "helpful", "value": 0.5, "kind": "number", "target": {"response_id": "resp_2"}}


def scored(told: Any, direction: str = STORE) -> Frame:
    return Frame(direction, json.dumps({"type": SCORED, "score": told}), START)


def folded(*frames: Frame) -> SessionState:
    return fold("sess_a", log_events([*voice_call().frames, *frames]))


def shown(state: SessionState, id_: str = "resp_2") -> list[Json]:
    notes = resources.response_resource(state, state.responses[id_])["eventstore"]
    found: list[Json] = notes.get("scores", [])
    return found


def test_a_score_is_shown_at_what_it_is_of() -> None:
    of_item = {**HELPFUL, "target": {"item_id": "item_1"}, "name": "loud", "value": 3}
    of_session = {"name": "topic", "value": "refund", "by": "anna", "reason": "asked for money"}
    state = folded(scored(HELPFUL), scored(of_item), scored(of_session))
    (of_response,) = shown(state)
    assert (of_response["name"], of_response["value"]) == ("helpful", 0.5)
    assert of_response["response_id"] == "resp_2" and of_response["item_id"] is None
    (label,) = session_resource(state)["eventstore"]["scores"]
    assert (label["kind"], label["value"], label["by"]) == ("label", "refund", "anna")
    assert label["reason"] == "asked for money" and label["at"] == "2023-11-14T22:13:20.000000Z"
    item = resources.item_resource(state, state.items["item_1"])
    assert [one["value"] for one in item["eventstore"]["scores"]] == [3]
    assert not shown(state, "resp_1") if "resp_1" in state.responses else True


def test_the_last_score_of_a_name_by_a_giver_counts() -> None:
    other = {**HELPFUL, "by": "judge", "value": 1}
    state = folded(scored(HELPFUL), scored(other), scored({**HELPFUL, "value": 0.75}))
    assert [(one["by"], one["value"]) for one in shown(state)] == [("judge", 1), (None, 0.75)]
    taken_back = {key: other[key] for key in ("name", "by", "target")}
    assert [one["value"] for one in shown(folded(scored(other), scored(taken_back)))] == []
    assert shown(folded(scored(other), scored({**taken_back, "by": "anna"})))


@pytest.mark.parametrize("direction", [CLIENT, SERVER])
def test_only_the_store_scores(direction: str) -> None:
    assert not folded(scored(HELPFUL, direction)).scores


WRONG: list[Any] = [
    None,
    [],
    "helpful",
    {**HELPFUL, "name": ""},
    {**HELPFUL, "name": "a<b"},
    {**HELPFUL, "name": "n" * 65},
    {**HELPFUL, "name": 7},
    {**HELPFUL, "value": "0.5"},
    {**HELPFUL, "value": True},
    {**HELPFUL, "value": 10**400},
    {**HELPFUL, "value": -1e101},
    {**HELPFUL, "kind": "money"},
    {**HELPFUL, "kind": ["number"]},
    {**HELPFUL, "kind": "boolean"},
    {**HELPFUL, "kind": "label", "value": "two\nlines"},
    {**HELPFUL, "kind": "label", "value": "l" * 129},
    {**HELPFUL, "kind": "text", "value": "t" * 2001},
    {**HELPFUL, "kind": "text", "value": "\ud83d"},
    {**HELPFUL, "target": {"response_id": None}},
    {**HELPFUL, "target": {"response_id": "resp_2", "item_id": "item_1"}},
    {**HELPFUL, "target": {"session_id": "sess_b"}},
    {**HELPFUL, "target": "resp_2"},
    {**HELPFUL, "by": ""},
    {**HELPFUL, "by": "b" * 65},
    {**HELPFUL, "reason": "\0"},
    {**HELPFUL, "reason": "r" * 1001},
]


@pytest.mark.parametrize("told", WRONG)
def test_a_wrong_score_counts_for_nothing(told: Any) -> None:
    state = folded(scored(told))
    assert not state.scores and not state.fold_errors
    assert state.diagnostics[-1]["code"] == "bad_score"


def test_scores_are_bounded() -> None:
    many = [scored({**HELPFUL, "name": f"n{n}"}) for n in range(MAX_SCORES_OF_TARGET + 1)]
    state = folded(*many)
    assert len(shown(state)) == MAX_SCORES_OF_TARGET
    assert state.diagnostics[-1]["code"] == "too_many_scores"
    of_items = [
        scored({"name": "n", "value": 1, "target": {"item_id": f"i{n}"}})
        for n in range(MAX_SCORES + 2)
    ]
    state = folded(*of_items, scored({"name": "n", "target": {"item_id": "i0"}}), of_items[-1])
    assert state.scores_count == MAX_SCORES == len(state.scores)


@given(scores())
def test_what_is_read_can_be_given_again(told: Json) -> None:
    score = read_score(told, 1, START)
    if score is None or score.value is None:
        return
    ids = {f"{score.target}_id": score.target_id} if score.target != "session" else {}
    frame = score_frame(
        score.name,
        score.value,
        response_id=ids.get("response_id"),
        item_id=ids.get("item_id"),
        by=score.by or None,
        reason=score.reason,
        kind=score.kind,
        given_at=score.at,
        at=START,
    )
    assert read_score(json.loads(str(frame.text))["score"], 1, None) == score


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("helpful", ("helpful", "has", None)),
        ("helpful<0.5", ("helpful", "<", 0.5)),
        ("helpful>=-1e3", ("helpful", ">=", -1000.0)),
        ("a.b/c:d=1", ("a.b/c:d", "=", 1.0)),
        ("solved=true", ("solved", "=", True)),
        ("topic=refund=late", ("topic", "=", "refund=late")),
    ],
)
def test_conditions_are_read(text: str, condition: tuple[Any, ...]) -> None:
    assert parse_score_condition(text) == ScoreCondition(*condition)


@pytest.mark.parametrize(
    "text", ["", "<1", "a<", "a<b", "a<nan", " a", "a!=1", "a=", "a= x", "n" * 65]
)
def test_wrong_conditions_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="score"):
        parse_score_condition(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("0.5", 0.5), ("3", 3), ("-2", -2), ("1e400", "1e400"), ("nan", "nan")),
        *(("refund", "refund"), ("1_0", "1_0"), ("٣", "٣")),
    ],
)
def test_values_are_read(text: str, value: Any) -> None:
    assert read_value(text) == value and type(read_value(text)) is type(value)
