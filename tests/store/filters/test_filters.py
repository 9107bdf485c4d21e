"""Filters are read of what comes from outside, and what cannot be read is told in a line."""

from __future__ import annotations

from typing import Any

import pytest

from eventstore import InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.store.filters.filters import (
    Paging,
    ResponseFilter,
    SessionFilter,
    SessionPaging,
    SuggestionFilter,
    checked_filter,
)

READ: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"since": "1970-01-01T00:00:02Z", "until": 3}, {"since": 2_000_000, "until": 3_000_000}),
    ({"min_duration": "1.5", "min_latency": 0}, {"min_duration": 1_500_000, "min_latency": 0}),
    ({"min_turns": "3", "min_cost": "0.5"}, {"min_turns": 3, "min_cost": 0.5}),
    ({"metadata": {"a": 1}}, {"metadata": (Condition("a", "=", "1"),)}),
    ({"metadata": "a"}, {"metadata": (Condition("a", "has"),)}),
    ({"metadata": None, "model": None, "since": None}, {}),
    ({"scope": Condition("a", "=", "1")}, {"scope": Condition("a", "=", "1")}),
    ({"address": [["user", "7"]]}, {"address": (("user", "7"),)}),
]
REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (Paging, {"limit": 0}, "bad filter limit: Input should be greater than or equal to 1"),
    (Paging, {"limit": 101}, "bad filter limit: Input should be less than or equal to 100"),
    (Paging, {"limit": 1.5}, "bad filter limit: Input should be a valid integer"),
    (Paging, {"limit": None}, "bad filter limit: Input should be a valid integer"),
    (Paging, {"limit": "many"}, "bad filter limit: Input should be a valid integer"),
    (Paging, {"after": "a", "before": "b"}, "give after or before, not both"),
    (Paging, {"after": 7}, "bad filter after: Input should be a valid string"),
    (SessionPaging, {"order": "up"}, "bad filter order: Input should be 'asc' or 'desc'"),
    (SessionPaging, {"sort": ["cost"]}, "bad filter sort: Input should be 'started', "),
    (
        SuggestionFilter,
        {"limit": 1001},
        "bad filter limit: Input should be less than or equal to 1000",
    ),
    (SessionFilter, {"colour": "red"}, "bad filter colour: Unexpected keyword argument"),
    (SessionFilter, {"since": "soon"}, "bad filter since: 'soon' is no time; use ISO 8601"),
    (SessionFilter, {"min_cost": float("nan")}, "bad filter min_cost: Input should be"),
    (SessionFilter, {"min_cost": float("inf")}, "bad filter min_cost: Input should be"),
    (SessionFilter, {"min_turns": -1}, "bad filter min_turns: Input should be greater than"),
    (SessionFilter, {"min_duration": 1e300}, "bad filter min_duration: Input should be less than"),
    (SessionFilter, {"metadata": 7}, "bad filter metadata: 7 is neither a mapping nor texts"),
    (SessionFilter, {"metadata": [7]}, "bad filter metadata: 7 is no condition on metadata"),
    (SessionFilter, {"metadata": "=x"}, "metadata filter '=x': use K=V"),
    (SessionFilter, {"metadata": "k=\ud800"}, "a filter is no text: it holds half a character"),
    (SessionFilter, {"address": [("a", "\ud800")]}, "a filter is no text: it holds half"),
    (SessionFilter, {"text": "a\0b"}, "a filter holds a NUL character"),
    (SessionFilter, {"address": [("a", "\0")]}, "a filter holds a NUL character"),
    (
        ResponseFilter,
        {"modality": "smell"},
        "bad filter modality: Input should be 'text' or 'audio'",
    ),
    (ResponseFilter, {"min_tokens": "9" * 10_000}, "bad filter min_tokens: "),
]


@pytest.mark.parametrize(("given", "read"), READ, ids=lambda value: next(iter(value), "none"))
def test_values_from_outside_are_read(given: dict[str, Any], read: dict[str, Any]) -> None:
    assert checked_filter(SessionFilter, given) == SessionFilter(**read)


@pytest.mark.parametrize(("kind", "given", "told"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_cannot_be_read_is_told_in_a_line(kind: Any, given: Any, told: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        checked_filter(kind, given)
    assert str(error.value).startswith(told)
    assert len(str(error.value)) < 200


def test_conditions_that_there_are_have_names() -> None:
    wanted = checked_filter(ResponseFilter, {"min_tokens": 0, "metadata": (), "voice": "ash"})
    assert wanted.named() == {"min_tokens", "voice"}
