"""The filters that type checkers see are those that the store checks: same names, same values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from eventstore import EventStore, Frame, InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.store.filters.filters import (
    BasicFilter,
    ResponseFilter,
    ScoreFilter,
    SessionFilter,
    checked_filter,
)
from eventstore.verbs import filter_params
from eventstore.verbs.filter_params import (
    LogFilterParams,
    MetadataConditions,
    Moment,
    ResponseFilterParams,
    ScoreFilterParams,
    SessionFilterParams,
)

TIED: list[tuple[Any, type[BasicFilter]]] = [
    (LogFilterParams, BasicFilter),
    (SessionFilterParams, SessionFilter),
    (ResponseFilterParams, ResponseFilter),
    (ScoreFilterParams, ScoreFilter),
]
#: Fields that the store's own code alone sets: by `scoped`, and for requests to the replay server.
NOT_FOR_CALLERS = {"scope", "address"}
#: One value for each type that a filter can have.
VALUES: dict[Any, list[Any]] = {
    str: ["some text"],
    int: [3],
    float: [2, 2.5],
    datetime: [datetime(2026, 5, 4, 9, 30), datetime(2026, 5, 4, tzinfo=UTC)],
    date: [date(2026, 5, 4)],
    type(None): [None],
}
#: Values of types that no filter has.
WRONG = [object(), 1 + 2j, object, b"bytes"]

tied = pytest.mark.parametrize(("params", "model"), TIED, ids=lambda one: one.__name__)


@tied
def test_names_are_the_same(params: Any, model: type[BasicFilter]) -> None:
    assert set(get_type_hints(params)) == {one.name for one in fields(model)} - NOT_FOR_CALLERS


def accepted(hint: Any) -> list[Any]:
    """Values of each type that a filter may have by its annotation."""
    if hint == MetadataConditions | None:
        pair = Condition("customer", "=", "42")
        return [None, {"customer": "42"}, "customer=42", ["customer=42", "queue"], (pair, "a!=b")]
    if hint == Moment | None:
        moments = [*VALUES[datetime], *VALUES[date], "2026-05-04", "2026-05-04T09:30Z", 1.5, 2]
        return [None, *moments]
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if get_args(hint):
        return [value for part in get_args(hint) for value in accepted(part)]
    return VALUES[hint]


@tied
def test_what_a_type_checker_lets_pass_is_accepted(params: Any, model: type[BasicFilter]) -> None:
    for name, hint in get_type_hints(params).items():
        for value in accepted(hint):
            checked_filter(model, {name: value})


@tied
def test_what_a_type_checker_refuses_is_refused(params: Any, model: type[BasicFilter]) -> None:
    for name, hint in get_type_hints(params).items():
        wrong = [*WRONG, *(["other", 5] if Literal in map(get_origin, get_args(hint)) else [])]
        for value in wrong:
            with pytest.raises(InvalidInputError, match=f"bad filter {name}"):
                checked_filter(model, {name: value})


def test_each_filter_is_described() -> None:
    for params, _ in TIED:
        told: Mapping[str, Any] = params.__annotations__
        for name in told:
            if name not in LogFilterParams.__annotations__ or params is LogFilterParams:
                assert f"        {name}: " in (params.__doc__ or ""), name
    assert filter_params.__doc__


# Times


AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
BERLIN = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    "moment",
    [
        AT,
        AT.replace(tzinfo=None),
        AT.astimezone(BERLIN),
        "2026-05-04T09:30:00Z",
        "2026-05-04T09:30",
        "2026-05-04T11:30:00+02:00",
        AT.timestamp(),
        int(AT.timestamp()),
        str(int(AT.timestamp())),
    ],
    ids=repr,
)
def test_a_moment_is_the_same_however_it_is_written(moment: Any) -> None:
    store = EventStore("sqlite://")
    micros = int(AT.timestamp()) * 1_000_000
    for name, at in (("before", micros - 1), ("at", micros), ("behind", micros + 1)):
        store.append(name, [Frame("server", '{"type": "session.created"}', at)])
    assert list(store.session_ids(since=moment)) == ["at", "behind"]
    assert list(store.session_ids(until=moment)) == ["before"]


def test_a_date_is_its_first_moment_in_utc() -> None:
    store = EventStore("sqlite://")
    micros = int(datetime(2026, 5, 4, tzinfo=UTC).timestamp()) * 1_000_000
    for name, at in (("before", micros - 1), ("at", micros)):
        store.append(name, [Frame("server", '{"type": "session.created"}', at)], close=True)
    assert list(store.session_ids(since=date(2026, 5, 4))) == ["at"]
    assert list(store.closed_sessions(until=date(2026, 5, 4))) == ["before"]


def test_an_age_is_text_or_a_timedelta() -> None:
    store = EventStore("sqlite://")
    old = int((datetime.now(UTC) - timedelta(days=3)).timestamp()) * 1_000_000
    store.append("old", [Frame("server", '{"type": "session.created"}', old)], close=True)
    for age in ("2d", "48h", timedelta(days=2), timedelta(0)):
        assert list(store.closed_sessions(older_than=age)) == ["old"], age
    for age in ("4d", timedelta(days=4), timedelta(weeks=999_999)):
        assert list(store.closed_sessions(older_than=age)) == [], age
    for wrong in (timedelta(days=-1), timedelta.max, 5, "soon", object()):
        with pytest.raises(InvalidInputError, match="not an age"):
            store.closed_sessions(older_than=wrong)  # type: ignore[arg-type]
