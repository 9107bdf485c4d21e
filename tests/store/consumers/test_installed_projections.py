"""Integration: an installed projection that cannot be run stops neither appends nor the others."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, Column, Index, Integer, MetaData, String, Table
from support.calls import voice_call
from support.own_projections import CountTypes

from eventstore import EventStore, InvalidInputError, Projection
from eventstore.store.consumers.projections import registry

FRAMES = voice_call().frames


def made(*extras: Any, column: str = "number") -> list[Table]:
    """The table of a projection, with an index or a constraint that the database refuses."""
    key = Column("session_id", String(128), primary_key=True)
    return [Table("own_broken", MetaData(), key, Column(column, Integer), *extras)]


class Broken(Projection[int]):
    """Counts events; what derives from it cannot be run."""

    name, tables = "own_broken", made()
    inline = True

    def begin(self, session_id: str) -> int:
        return 0

    def evolve(self, state: int, event: object) -> int:
        return state + 1

    def rows(self, state: int) -> list[dict[str, Any]]:
        return [{self.tables[0].columns.keys()[1]: state}]


class Exits(Broken):
    """Ends the process, as a module does that is a program."""

    def __init__(self) -> None:
        sys.exit(3)


class Raises(Broken):
    """Raises when it is looked at."""

    @property
    def tables(self) -> Any:
        raise RuntimeError


class NoTypes(Broken):
    """Has no types that events could have."""

    types = 5  # type: ignore[assignment]


class OneText(Broken):
    """Names one type by its text, whose letters are no types."""

    types = "response.done"


class TakenIndex(Broken):
    """Has an index of a name that the database has already."""

    tables = made(Index("streams_news", "number"))


class WrongCheck(Broken):
    """Has a constraint that is no SQL."""

    tables = made(CheckConstraint("nonsense("))


BROKEN = (Exits, Raises, NoTypes, OneText, TakenIndex, WrongCheck)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Returns what installs a package that names these classes."""

    def install(*classes: type) -> None:
        points = tuple(
            EntryPoint(
                "own_counts" if one is CountTypes else "own_broken",
                f"{one.__module__}:{one.__name__}",
                registry.GROUP,
            )
            for one in classes
        )
        real = importlib.metadata.entry_points

        def entry_points(**wanted: Any) -> Any:
            return points if wanted == {"group": registry.GROUP} else real(**wanted)

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
        registry.installed.cache_clear()

    yield install
    monkeypatch.undo()
    registry.installed.cache_clear()


@pytest.fixture(autouse=True)
def no_table_is_left(database_url: str, install: object) -> Iterator[None]:
    """The database is emptied for the next test, of the store's own tables alone."""
    yield
    registry.installed.cache_clear()
    with EventStore(database_url) as store:
        for one in store.projections():
            store.drop_projection(one["name"])


@pytest.mark.parametrize("broken", BROKEN)
def test_the_others_are_added_and_run(database_url: str, install: Any, broken: type) -> None:
    install(broken, CountTypes)
    with EventStore(database_url) as store:
        store.append("a", FRAMES)
        failed = store.project().failed
        assert [(one.name, type(one.error)) for one in failed] == [
            ("projections", InvalidInputError)
        ]
        assert [one["name"] for one in store.projections()] == ["own_counts"]
        assert list(store.projected("own_counts", table="own_said"))
        store.append("a", FRAMES)
        assert store.project().failed == []


@pytest.mark.parametrize("broken", [Exits, Raises, NoTypes, OneText])
def test_appends_go_on_if_it_is_broken_later(
    database_url: str, install: Any, broken: type, caplog: pytest.LogCaptureFixture
) -> None:
    with EventStore(database_url, projections=[Broken()]) as store:
        store.append("a", FRAMES[:2])
    install(broken)
    with EventStore(database_url) as store:
        store.append("a", FRAMES[2:])
        store.append("b", FRAMES)
        (listed,) = store.projections()
    assert (listed["behind"], listed["runs_here"]) == (2, False)
    assert len(caplog.records) == 1 and "own_broken" in caplog.text


@pytest.mark.parametrize("broken", [TakenIndex, WrongCheck])
def test_one_that_is_given_is_told_as_wrong(database_url: str, broken: type) -> None:
    with pytest.raises(InvalidInputError, match="refuses the tables of the projection own_broken"):
        EventStore(database_url, projections=[broken()])
