"""An older state of the database takes its place under a live recorder, as a restored backup does.

Integration: PostgreSQL, whose databases are copied and renamed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.postgres import PostgresServer
from support.recorder_calls import created, is_in_step, noted, wire
from support.shut_database import shut

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.realtime.frames import CLIENT, SERVER


@pytest.mark.parametrize("chosen", [None, "mine"])
@pytest.mark.parametrize("kept", [0, 3])
def test_what_the_database_has_lost_is_a_gap(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path, chosen: str | None, kept: int
) -> None:
    """Of a session that continues another one, or has the server's id; or all of it is lost."""
    name = postgres_url.rpartition("/")[2]
    with Recorder(postgres_url, tmp_path / "spool") as recorder:
        if kept and chosen is not None:
            with EventStore(postgres_url) as store:
                store.set_metadata(chosen, {"from": "before"})
        if not kept:
            backup = copied(postgres, postgres_url, name)
        session = recorder.session(session_id=chosen)
        session.record(SERVER, created("sess_a"))
        for number in range(kept):
            session.record(CLIENT, f"kept {number}")
        session.committed().result(10)
        if kept:
            backup = copied(postgres, postgres_url, name)
        for number in range(4):
            session.record(CLIENT, f"lost {number}")
        session.committed().result(10)
        shut(postgres, postgres_url, is_shut=True)
        postgres.drop_database(name)
        postgres.rename_database(backup, name)
        session.record(CLIENT, "after")
        session.committed().result(20)
    with EventStore(postgres_url) as store:
        (session_id,) = store.session_ids()
        (gap,) = noted(store, session_id, "gap")
        lost = 4 if kept else 6  # with the note of its beginning, and what the server created
        assert (gap["reason"], gap["frames"]) == ("database_lost", lost)
        texts = [str(text) for _, text in wire(store, session_id)]
        assert texts[-1] == "after"
        assert [text for text in texts if text.startswith("kept")] == [
            f"kept {number}" for number in range(kept)
        ]
        is_in_step(store)


def copied(postgres: PostgresServer, url: str, name: str) -> str:
    """Copy a database that is in use; the name of the copy."""
    shut(postgres, url, is_shut=True)
    copy = postgres.copy_database(name)
    shut(postgres, url, is_shut=False)
    return copy
