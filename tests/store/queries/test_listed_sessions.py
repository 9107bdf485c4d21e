"""Lists show what is small of a session; `show` shows all of it."""

from __future__ import annotations

from support.events import Call

from eventstore import EventStore

LONG = "instruct " * 20_000


def large_call() -> Call:
    tools = [
        {"type": "function", "name": f"tool_{i}", "description": "x" * 1000} for i in range(99)
    ]
    call = Call().store("opened", url="wss://host/", note="n" * 50_000)
    session = {"id": "sess_1", "model": "gpt-realtime", "instructions": LONG, "tools": tools}
    call.server("session.created", session={**session, "voice": "marin"})
    for _ in range(5000):
        call.server("session.output_transcript.delta", delta="Wort, ")
    return call.store("closed", reason="r" * 5000)


def test_lists_are_small_and_say_what_is_left_out(database_url: str) -> None:
    with EventStore(database_url) as store:
        store.append("sess_1", large_call().frames, close=True)
        (listed,) = store.sessions().data
        notes = listed["eventstore"]
        assert len(str(listed)) < 60_000
        assert (listed["model"], listed["voice"]) == ("gpt-realtime", "marin")
        assert sorted(notes["left_out"]) == ["instructions", "tools"]
        assert listed["instructions"] == LONG[:1000] + "…" and "tools" not in listed
        assert notes["opened"]["url"] == "wss://host/" and len(notes["opened"]["note"]) == 1001
        assert notes["translation"]["cut"] and len(notes["close_reason"]) == 1000
        shown = store.state("sess_1")["session"]
        assert shown["instructions"] == LONG and len(shown["tools"]) == 99
        assert len(shown["eventstore"]["translation"]["output"]) == 5000 * 6 - 1
        assert len(shown["eventstore"]["opened"]["note"]) == 50_000
        assert "left_out" not in shown["eventstore"]
        assert not any(done.changed for done in store.rebuild().done)


def test_what_is_of_a_usual_size_is_in_lists(database_url: str) -> None:
    with EventStore(database_url) as store:
        session = {"id": "sess_1", "model": "gpt-realtime", "instructions": "Be kind. " * 1000}
        store.append("sess_1", Call().server("session.created", session=session).frames)
        (listed,) = store.sessions().data
        assert listed == store.session("sess_1")
