"""Acceptance: the database's own files hold no byte of what was erased.

Calls with words and sound of their own are erased beside others; then all files are searched. That
the search finds what is there is shown by the neighbours, and by the same files before.
"""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.engine import make_url
from support.database_files import analyze, files, found_in, recorded, shape, sounds
from support.secret_call import secret_call, words
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, Frame
from eventstore.store.maintenance import vacuum_postgresql


@pytest.fixture
def terminal(store: EventStore, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("EVENTSTORE_URL", database_url)
    return Terminal()


def test_no_byte_of_an_erased_session_is_left(
    terminal: Terminal, store: EventStore, database_url: str
) -> None:
    recorded(store)
    before = files(database_url)
    for name in ("gone", "kept"):
        assert set(found_in(before, name)) >= set(words(name)) | {"sound 0 from", "sound 7 to"}
    assert terminal("erase", "gone", "sealedgone", "--yes", "--json").json["sessions"] == 2
    after = files(database_url)
    assert found_in(after, "gone") == {}
    assert found_in(after, "sealedgone") == {}
    assert set(found_in(after, "kept")) >= set(words("kept")) | {"sound 0 from", "sound 7 to"}
    assert list(store.events("sealedkept"))
    assert len(store.responses(text="quuxkeptsaidzanzibar").data) == 1


@pytest.mark.parametrize("older", [False, True])
def test_no_byte_of_the_last_session_is_left(
    store: EventStore, database_url: str, older: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statistics of a table that is empty then are not made anew."""
    if older:  # as PostgreSQL was before 18
        monkeypatch.setattr(vacuum_postgresql, "CAN_CLEAR", "SELECT false")
    store.append("gone", secret_call("gone").frames, close=True)
    assert len(store.sum_days().done) == 1
    analyze(store)
    before = shape(store)
    store.erase("gone").raise_for_errors()
    assert shape(store) == before
    assert found_in(files(database_url), "gone") == {}
    store.append("kept", secret_call("kept").frames, close=True)
    assert len(store.responses(text="quuxkeptsaidzanzibar").data) == 1


def test_no_byte_of_erased_audio_is_left(
    terminal: Terminal, store: EventStore, database_url: str
) -> None:
    recorded(store)
    before = found_in(files(database_url), "gone")
    assert len(sounds(before)) > 15
    done = terminal("erase", "gone", "sealedgone", "--audio-only", "--yes", "--json").json
    assert done["sessions"] == 2
    after = files(database_url)
    assert sounds(found_in(after, "gone")) == sounds(found_in(after, "sealedgone")) == set()
    assert set(words("gone")) - {"unreadable"} <= set(found_in(after, "gone"))
    assert len(sounds(found_in(after, "kept"))) == len(sounds(before))


def test_without_a_vacuum_what_was_in_use_is_overwritten(
    terminal: Terminal, store: EventStore, database_url: str
) -> None:
    """On SQLite. PostgreSQL leaves rows where they were until they are vacuumed."""
    store.append("gone", secret_call("gone").frames, close=True)
    store.append("kept", secret_call("kept").frames, close=True)
    assert terminal("erase", "gone", "--yes", "--no-vacuum", "--json").json["vacuumed"] is False
    left = found_in(files(database_url), "gone")
    assert (left == {}) == database_url.startswith("sqlite")
    # The same command once more does what is left.
    assert terminal("erase", "gone", "--yes", "--json").json["erased_before"] == 1
    assert found_in(files(database_url), "gone") == {}
    assert found_in(files(database_url), "kept")


def test_what_was_deleted_before_goes_too(store: EventStore, database_url: str) -> None:
    """Rows that moved or were replaced long ago, by connections that overwrite nothing."""
    if not database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL never overwrites what it deletes: the others show it")
    store.append("gone", secret_call("gone").frames, close=True)
    connection = sqlite3.connect(str(make_url(database_url).database), isolation_level=None)
    connection.execute("PRAGMA secure_delete=OFF")
    copies = "SELECT 'x' || n.value, seq, direction, e.type, frame FROM events e, json_each(?) n"
    insert = f"INSERT INTO events (session_id, seq, direction, type, frame) {copies}"
    connection.execute(insert, (str(list(range(50))),))
    connection.execute("DELETE FROM events WHERE session_id <> 'gone'")
    connection.close()
    store.erase("gone", vacuum=False).raise_for_errors()
    assert found_in(files(database_url), "gone")
    store.erase([]).raise_for_errors()
    assert found_in(files(database_url), "gone") == {}


def test_a_reader_does_not_keep_the_log_of_writes(store: EventStore, database_url: str) -> None:
    """What SQLite wrote last is in its log until nobody reads what was before."""
    store.append("gone", secret_call("gone").frames)
    reading = store.events("gone")
    next(reading)
    store.erase("gone").raise_for_errors()
    store.append("other", [Frame(CLIENT, "{}")])
    assert found_in(files(database_url), "gone") == {}
    del reading
