"""Integration: a session whose key is gone stops no other session of a feed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.calls import voice_call

from eventstore import EventStore
from eventstore.store.database.transaction import write

FRAMES = voice_call().frames[:4]


@pytest.fixture
def keys_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A database for keys."""
    path = tmp_path / "keys.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    "gone",
    [
        "DELETE FROM session_keys WHERE session_id = 'b'",
        "UPDATE session_keys SET key = NULL, dropped_at = 1 WHERE session_id = 'b'",
    ],
    ids=["lost", "dropped"],
)
def test_the_other_sessions_are_delivered(database_url: str, keys_url: str, gone: str) -> None:
    with EventStore(database_url, keys=keys_url) as store:
        for name in ("a", "b", "c"):
            store.append(name, FRAMES)
    with EventStore(keys_url) as keys, write(keys.engine) as tx:
        assert tx.run(gone) == 1
    with EventStore(database_url, keys=keys_url) as store:
        with store.subscribe("mine", from_="start", once=True) as feed:
            found = [one.session_id for one in feed]
        assert found == ["a"] * 4 + ["c"] * 4
        assert store.subscriptions()[0]["failed"] == 1
