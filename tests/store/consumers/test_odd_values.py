"""Integration: values of types that a projection derives from texts, bytes and floats."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import Column, Float, Integer, LargeBinary, Text
from support.own_projections import table

from eventstore import EventStore, Frame, Projection
from eventstore.store.consumers.projections.kept_states import KeptState
from eventstore.store.consumers.projections.projected_rows import MAX_BYTES
from eventstore.store.consumers.projections.projection_run import RunningProjection

TABLE = table(
    "own_odd",
    Column("number", Integer, primary_key=True),
    Column("words", Text),
    Column("data", LargeBinary),
    Column("grade", Float),
)
FRAME = Frame("client", '{"type":"response.create"}')


class Kind(StrEnum):
    REFUND = "refund"


class Hostile(str):
    """A text that raises when the store compares it, and says that it is short."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise SystemExit

    def __ne__(self, other: object) -> bool:
        raise SystemExit

    def __len__(self) -> int:
        return 1


class HostileData(bytes):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = bytes.__hash__


class HostileGrade(float):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = float.__hash__


class Odd(Projection[int]):
    name, version, tables = "own_odd", 1, [TABLE]
    inline = True

    def __init__(self, **values: Any) -> None:
        self.values = values

    def begin(self, session_id: str) -> int:
        return 0

    def evolve(self, state: int, event: Any) -> int:
        return state + 1

    def rows(self, state: int) -> list[dict[str, Any]]:
        return [{"number": 1, **self.values}]


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("words", Kind.REFUND, "refund"),
        ("words", Hostile("refund"), "refund"),
        ("data", HostileData(b"refund"), b"refund"),
        ("grade", HostileGrade(0.5), 0.5),
    ],
)
def test_a_value_of_a_derived_type_is_stored_as_a_plain_one(
    database_url: str, name: str, value: Any, plain: Any
) -> None:
    with EventStore(database_url, projections=[Odd(**{name: value})]) as store:
        store.append("sess_1", [FRAME])
        store.append("sess_1", [FRAME])  # it compares the rows with those before
        [row] = store.projected("own_odd", "sess_1")
        assert row[name] == plain
        assert (store.projections()[0]["behind"], store.projections()[0]["failed"]) == (0, 0)
        assert [one.changed for one in store.rebuild(projection="own_odd").done] == [0]


def test_a_text_that_says_it_is_short_is_counted_as_it_is() -> None:
    running = RunningProjection(Odd(words=Hostile("x" * (MAX_BYTES + 1))))
    with pytest.raises(Exception, match="returned more than"):
        running.rows("sess_1", KeptState(0, 0), 10)
