"""Integration: a transcript is read once for all of its pages, and is never older than its log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.calls import beta_tool_call, voice_call
from support.events import Call
from support.mcp_clients import Connected

from eventstore import EventStore
from eventstore.errors import ErasedError, NotFoundError
from eventstore.mcp import transcripts
from eventstore.mcp.transcripts import Transcripts
from eventstore.verbs.queries import Queries


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sessions whose transcripts were made, in order."""
    found: list[str] = []
    make: Callable[..., Any] = transcripts.read_whole

    def counted(queries: Queries, session_id: str) -> Any:
        found.append(session_id)
        return make(queries, session_id)

    monkeypatch.setattr(transcripts, "read_whole", counted)
    return found


def test_further_pages_do_not_read_the_session_again(
    client: Connected, store: EventStore, made: list[str]
) -> None:
    store.append("sess_a", voice_call().frames)
    pages = [
        client.text("read_transcript", session_id="sess_a", limit=1, after=after)
        for after in range(4)
    ]
    assert made == ["sess_a"]
    assert [page.splitlines()[1][:3] for page in pages] == ["[1]", "[2]", "[3]", "[4]"]
    store.append("sess_a", Call().typed("item_new", "One thing more.").frames)
    assert "One thing more." in client.text("read_transcript", session_id="sess_a", after=4)
    store.score("sess_a", "helpful", 0.5, item="item_new")
    assert "helpful" in client.text("read_transcript", session_id="sess_a", after=4)
    assert len(made) == 3
    store.erase("sess_a")
    assert "erased" in client.error("read_transcript", session_id="sess_a", after=2)


def test_a_kept_transcript_is_for_those_who_may_see_its_session(store: EventStore) -> None:
    store.append("sess_a", voice_call().frames)
    store.set_metadata("sess_a", {"tenant": "anna"})
    kept = Transcripts()
    whole = kept.read(store, "sess_a")
    assert kept.read(store.scoped("tenant", "anna"), "sess_a") is whole
    with pytest.raises(NotFoundError):
        kept.read(store.scoped("tenant", "berta"), "sess_a")
    store.erase("sess_a")
    with pytest.raises(ErasedError):
        kept.read(store, "sess_a")


def test_few_transcripts_are_kept_and_not_for_long(
    store: EventStore, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Transcripts()
    store.append("sess_a", voice_call().frames)
    store.append("sess_b", beta_tool_call().frames)
    monkeypatch.setattr(transcripts, "MOST", 1)
    for session_id in ("sess_a", "sess_a", "sess_b", "sess_a"):
        kept.read(store, session_id)
    assert made == ["sess_a", "sess_b", "sess_a"]
    monkeypatch.setattr(transcripts, "KEPT_SECONDS", -1.0)
    kept.read(store, "sess_b")
    kept.read(store, "sess_b")
    assert made[3:] == ["sess_b", "sess_b"]
    monkeypatch.setattr(transcripts, "MOST_CHARACTERS", 10)
    kept.read(store, "sess_a")
    kept.read(store, "sess_a")
    assert made[5:] == ["sess_a", "sess_a"]
