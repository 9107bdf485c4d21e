"""Integration: rows of projections are encrypted, erased, and made anew where they have to be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, String
from support.database_files import files
from support.events import SESSION, Call
from support.own_projections import CountTypes, Misbehaving, rows_of, table

from eventstore import EventStore, EventStoreError, InvalidInputError, MissingKeyError
from eventstore.errors import ErasedError, NotFoundError
from eventstore.store.database.transaction import read, write

WORDS = "the orchid opens at midnight"


@pytest.fixture
def keys_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A database for keys."""
    path = tmp_path / "keys.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


def call() -> Call:
    return Call().spoken("item_1", 0, 500).transcribed("item_1", WORDS)


def test_rows_of_an_encrypted_store_are_encrypted(database_url: str, keys_url: str) -> None:
    own = CountTypes(inline=True)
    with EventStore(database_url, keys=keys_url, projections=[own]) as store:
        frames = call().frames
        store.append(SESSION, frames[:2])
        store.append(SESSION, frames[2:])
        (said,) = rows_of(store, own)["own_said"]
        assert said["words"] == WORDS
        assert [one.changed for one in store.rebuild(projection=own.name).done] == [0]
        with EventStore(database_url, keys=keys_url, projections=[own]) as again:
            again.append(SESSION, call().frames, close=True)
            assert len(rows_of(again, own)["own_said"]) == 2
        assert not any(WORDS.encode() in data for data in files(database_url).values())
        with EventStore(database_url) as without, pytest.raises(MissingKeyError):
            list(without.projected("own_counts", table="own_said"))
        with write(store.engine) as tx:
            tx.run("UPDATE own_said SET words = ?", ("x",))
        with pytest.raises(EventStoreError, match="was changed, and cannot be decrypted"):
            list(store.projected("own_counts", table="own_said"))
        assert store.rebuild(projection=own.name).done[0].changed == 2
        assert rows_of(store, own)["own_said"][0]["words"] == WORDS
        store.erase(SESSION, vacuum=False).raise_for_errors()
        with pytest.raises(ErasedError):
            list(store.projected("own_counts", SESSION, "own_said"))
        assert rows_of(store, own) == {"own_types": [], "own_said": []}


def test_a_text_of_an_encrypted_store_has_no_longest_length(
    database_url: str, keys_url: str
) -> None:
    own = Misbehaving(lambda: None)
    short = table("own_short", Column("number", Integer, primary_key=True), Column("a", String(9)))
    own.tables = (short,)  # type: ignore[misc]
    with (
        EventStore(database_url, keys=keys_url) as store,
        pytest.raises(InvalidInputError, match="has to be Text"),
    ):
        EventStore(database_url, keys=keys_url, projections=[own])
    assert store.engine.dialect.name


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_no_byte_of_an_erased_session_stays_in_the_files(database_url: str) -> None:
    own = CountTypes(inline=True)
    with EventStore(database_url, projections=[own]) as store:
        store.append(SESSION, call().frames, close=True)
        store.append("other", Call().typed("item_1", "kept").frames, close=True)
        assert any(WORDS.encode() in data for data in files(database_url).values())
        store.erase(SESSION).raise_for_errors()
        assert not any(WORDS.encode() in data for data in files(database_url).values())


def test_rows_are_made_anew_once_the_audio_is_erased(database_url: str) -> None:
    own = CountTypes(inline=True)
    with EventStore(database_url, projections=[own]) as store:
        store.append(SESSION, call().frames, close=True)
        store.project().raise_for_errors()
        before = rows_of(store, own)
        store.erase(SESSION, audio_only=True, vacuum=False).raise_for_errors()
        assert rows_of(store, own) == {"own_types": [], "own_said": []}
        assert (store.projections()[0]["behind"], store.projections()[0]["failed"]) == (1, 0)
        assert [one.projection for one in store.project().done] == [own.name]
        assert rows_of(store, own) == before
        assert store.projections()[0]["behind"] == 0


def test_a_session_that_is_not_there_gets_no_checkpoint(database_url: str) -> None:
    own = CountTypes()
    with EventStore(database_url, projections=[own]) as store:
        store.append(SESSION, call().frames)
        store.erase(SESSION, vacuum=False).raise_for_errors()
        failed = store.rebuild(["nothing", SESSION], projection=own.name).failed
        assert [type(one.error) for one in failed] == [NotFoundError, ErasedError]
        assert store.project().failed == []
        with read(store.engine) as tx:
            assert tx.rows("SELECT * FROM checkpoints") == []


def test_a_list_that_was_changed_leads_to_no_other_table(store: EventStore) -> None:
    with EventStore(
        store.engine.url.render_as_string(hide_password=False),
        projections=[CountTypes(inline=True)],
    ) as other:
        other.append(SESSION, call().frames)
        other.append("other", call().frames)
    with write(store.engine) as tx:
        told = '{"tables": ["events", "own_types", "x\\" --", 5, null], "older_tables": 7}'
        tx.run("UPDATE consumers SET definition = ?", (told,))
    store.erase(SESSION, vacuum=False).raise_for_errors()
    assert len(list(store.events("other"))) == len(call().frames)
    assert store.drop_projection("own_counts") == ["own_types"]
    assert list(store.events("other"))


def test_a_copied_session_is_projected_where_it_is(database_url: str, tmp_path: Path) -> None:
    own = CountTypes(inline=True)
    target = f"sqlite:///{tmp_path / 'target.db'}"
    with (
        EventStore(database_url, projections=[own]) as store,
        EventStore(target, projections=[CountTypes(inline=True)]) as there,
    ):
        store.append(SESSION, call().frames, close=True)
        before = rows_of(store, own)
        store.copy(SESSION, there, then_delete=True).raise_for_errors()
        assert rows_of(store, own) == {"own_types": [], "own_said": []}
        there.project().raise_for_errors()
        assert rows_of(there, own) == before
