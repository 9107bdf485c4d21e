"""Integration: a database is told from others, whichever URL or node leads to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from sqlalchemy import Engine
from support.databases import opened
from support.postgres import PostgresServer, ways_to

from eventstore.store.database import identity
from eventstore.store.database.identity import (
    DatabaseIdentity,
    is_same_database,
    make_store_id,
    own_folder_name,
    read_identity,
)
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import read, write


@pytest.fixture
def ways(postgres_url: str) -> Iterator[list[Engine]]:
    """Engines of one database, by all ways to it."""
    with ExitStack() as stack:
        yield [stack.enter_context(opened(url)) for url in (postgres_url, *ways_to(postgres_url))]


@pytest.fixture
def another(postgres: PostgresServer, postgres_template: str) -> Iterator[Engine]:
    """Another database on the same server."""
    name = postgres.create_database(postgres_template)
    with opened(postgres.url(name)) as made:
        yield made
    postgres.drop_database(name)


def identity_of(engine: Engine) -> DatabaseIdentity:
    with read(engine) as tx:
        return read_identity(tx)


def id_of(engine: Engine) -> str:
    with write(engine) as tx:
        return make_store_id(tx)


def folder_of(engine: Engine) -> str:
    with write(engine) as tx:
        return own_folder_name(tx)


def are_one(first: Engine, second: Engine, may_write: bool = True) -> bool:
    writing = partial(write_retried, second) if may_write else None
    return is_same_database(partial(identity_of, first), partial(identity_of, second), writing)


def look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all places look alike, as those of a server and its clone do."""
    monkeypatch.setattr(identity, "_place_on_postgresql", lambda tx: (("1", 1, 2, 3), "then"))


@pytest.mark.parametrize("has_id", [False, True])
def test_all_ways_lead_to_one_database(ways: list[Engine], has_id: bool) -> None:
    if has_id:
        id_of(ways[-1])
    for may_write in (False, True):
        assert all(are_one(first, second, may_write) for first in ways for second in ways)
    assert len({folder_of(way) for way in ways}) == 1
    assert len({id_of(way) for way in ways}) == 1


@pytest.mark.parametrize("may_control", [False, True])
def test_two_databases_of_a_server_are_two(
    ways: list[Engine], another: Engine, monkeypatch: pytest.MonkeyPatch, may_control: bool
) -> None:
    if not may_control:
        monkeypatch.setattr(identity, "MAY_CONTROL", "SELECT false")
    assert all(are_one(ways[0], way) for way in ways)
    for way in ways:
        assert not are_one(way, another)
        assert not are_one(another, way)


def test_a_copy_has_the_same_id_and_is_another_database(
    ways: list[Engine], another: Engine
) -> None:
    with write(another) as tx:
        tx.run(identity.INSERT_STORE_ID, (id_of(ways[0]),))
    assert not are_one(ways[0], another)
    assert folder_of(ways[0]) != folder_of(another)


def test_only_ids_tell_a_clone_of_a_server(
    ways: list[Engine], another: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_alike(monkeypatch)
    assert not are_one(ways[0], another)
    assert all(are_one(ways[0], way) for way in ways)
    id_of(ways[0])
    assert not are_one(ways[0], another, may_write=False)
    assert not are_one(another, ways[0], may_write=False)


def test_without_ids_and_rights_a_clone_is_taken_for_the_same(
    ways: list[Engine], another: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written by a dry run, so that the safe answer is given."""
    look_alike(monkeypatch)
    assert are_one(ways[0], another, may_write=False)
    assert identity_of(another).store_id is None


def test_a_user_who_may_not_see_the_server_is_told_by_its_start(
    ways: list[Engine], another: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = identity_of(ways[-1])
    monkeypatch.setattr(identity, "MAY_CONTROL", "SELECT false")
    unseen = identity_of(ways[0])
    assert len(unseen.place) < len(seen.place)
    for first, second in ((seen, unseen), (unseen, seen)):
        assert is_same_database(lambda f=first: f, lambda s=second: s, None)  # type: ignore[misc]
        later = second._replace(started="later")
        assert not is_same_database(lambda f=first: f, lambda s=later: s, None)  # type: ignore[misc]
