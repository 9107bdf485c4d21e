"""Projections of one's own, for tests: a good one, and some that misbehave."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from eventstore import EventStore, Frame, Projection, StoredEvent
from eventstore.store.database.transaction import read

Rows = list[dict[str, Any]]


def table(name: str, *columns: Column[Any]) -> Table:
    """A table of a projection, with the session's id as the first column of its key."""
    key: Column[str] = Column("session_id", String(128), primary_key=True)
    return Table(name, MetaData(), key, *columns)


TYPES = table(
    "own_types",
    Column("type", String(128), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("share", Float),
    Column("odd", Boolean, nullable=False),
    Column("data", LargeBinary),
)
SAID = table("own_said", Column("seq", BigInteger, primary_key=True), Column("words", Text))
#: The same tables under other names.
LATER = (
    TYPES.to_metadata(MetaData(), name="later_types"),
    SAID.to_metadata(MetaData(), name="later_said"),
)


@dataclass
class Counts:
    """How many events of each type a session has, where the last one is, and what was said."""

    numbers: Counter[str] = field(default_factory=Counter)
    last: dict[str, int] = field(default_factory=dict)
    said: dict[int, str] = field(default_factory=dict)


class CountTypes(Projection[Counts]):
    """Two tables: a row for each type of events, and one for each text that was said."""

    name, tables = "own_counts", (TYPES, SAID)

    def __init__(self, inline: bool = False, version: int = 1) -> None:
        self.inline, self.version = inline, version  # type: ignore[misc]

    def begin(self, session_id: str) -> Counts:
        return Counts()

    def evolve(self, state: Counts, event: StoredEvent) -> Counts:
        type_ = event.type.replace("\0", "?").encode(errors="replace").decode()[:128]
        state.numbers[type_] += 1
        state.last[type_] = event.seq
        words = event.body.get("transcript")
        if isinstance(words, str) and words.isascii() and "\0" not in words:
            state.said[event.seq] = words
        return state

    def rows(self, state: Counts) -> dict[Any, Iterable[dict[str, Any]]]:
        total = sum(state.numbers.values())
        made = [
            {
                "type": type_,
                "number": number * self.version,
                "last_seq": state.last[type_],
                "share": number / total,
                "odd": number % 2 == 1,
                "data": type_.encode(),
            }
            for type_, number in state.numbers.items()
        ]
        types, said = self.tables
        said_rows = ({"seq": seq, "words": words} for seq, words in state.said.items())
        return {types: made, said.name: said_rows}


BAD = table("own_bad", Column("number", Integer, primary_key=True))


class Misbehaving(Projection[int]):
    """Counts events, and does what a test says once there are so many."""

    name, tables = "own_bad", (BAD,)

    def __init__(self, act: Callable[[], Any], at: int = 1, inline: bool = True) -> None:
        self.act, self.at = act, at
        self.inline = inline  # type: ignore[misc]

    def begin(self, session_id: str) -> int:
        return 0

    def evolve(self, state: int, event: StoredEvent) -> int:
        return state + 1

    def rows(self, state: int) -> Any:
        if state >= self.at:
            made = self.act()
            if made is not None:
                return made
        return [{"number": number} for number in range(state)]


def raises() -> None:
    raise RuntimeError("what was said")


def sleeps() -> None:
    time.sleep(60)


def rows_of(store: EventStore, projection: Projection[Any], session_id: str | None = None) -> Any:
    """All rows of a projection, by table."""
    return {
        one.name: list(store.projected(projection.name, session_id, one.name))
        for one in projection.tables
    }


def expected_rows(
    projection: Projection[Any], session_id: str, events: Iterable[StoredEvent]
) -> dict[str, Rows]:
    """The rows that a projection makes of events, in plain Python."""
    state = projection.begin(session_id)
    for event in events:
        state = projection.evolve(state, event)
    made: dict[str, Rows] = {one.name: [] for one in projection.tables}
    for of, rows in projection.rows(state).items():
        name = of.name if isinstance(of, Table) else of
        made[name] = [{"session_id": session_id, **row} for row in rows]
        keys = [c.name for one in projection.tables if one.name == name for c in one.primary_key]
        made[name].sort(key=lambda row: [_sortable(row[key]) for key in keys])
    return made


def _sortable(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def unsettled(store: EventStore) -> list[str]:
    """The sessions that have news for a consumer."""
    with read(store.engine) as tx:
        rows = tx.rows(
            "SELECT session_id FROM streams WHERE fed_seq IS NULL OR fed_seq < head_seq"
            " ORDER BY session_id"
        )
    return [row[0] for row in rows]


NOTE = Frame("store", '{"type":"eventstore.session.metadata","metadata":{"a":"b"}}', 1)
