"""Integration: the events that rebuild a conversation, as a script reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.calls import beta_tool_call, voice_call
from support.client_events import check_client_event
from support.recordings import each_recording
from support.terminal import Terminal

from eventstore import EventStore

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("--at 30", {"at": 30}),
    ("--at +0.2", {"at": "+0.2"}),
    ("--dialect beta --audio", {"dialect": "beta", "audio": True}),
    ("--max-items 1", {"max_items": 1}),
    ("--assistant-as system", {"assistant_as": "system"}),
]


@pytest.fixture
def recorded(store: EventStore) -> EventStore:
    """A store with two calls."""
    store.append("voice", voice_call().frames)
    store.append("tools", beta_tool_call().frames)
    return store


@pytest.mark.parametrize(("options", "keywords"), OPTIONS)
def test_each_event_is_a_line_and_each_loss_a_note(
    terminal: Terminal, recorded: EventStore, options: str, keywords: dict[str, Any]
) -> None:
    for session in ("voice", "tools"):
        made = recorded.reseed(session, **keywords)
        printed = terminal("reseed", session, *options.split())
        assert printed.lines == made.events
        assert printed.err.splitlines() == [
            f"left out {entry['item_id']}: {entry['reason']}" for entry in made.skipped
        ]
        whole = terminal("reseed", session, *options.split(), "--json")
        assert whole.json == {"object": "list", "data": made.events, "skipped": made.skipped}
        assert whole.err == ""


def test_a_loss_is_told_apart_from_the_events(terminal: Terminal, recorded: EventStore) -> None:
    printed = terminal("reseed", "voice")
    assert printed.err == "left out item_3: speech without a transcript\n"
    assert terminal("reseed", "voice", "--audio").err == ""


def test_a_session_without_a_conversation_prints_nothing(
    terminal: Terminal, recorded: EventStore
) -> None:
    printed = terminal("reseed", "voice", "--at", "0")
    assert (printed.code, printed.out, printed.err) == (0, "", "")


@each_recording
def test_a_recording_goes_into_a_new_session(terminal: Terminal, recording: Path) -> None:
    (entry,) = terminal("import", str(recording), "--json").json["data"]
    for dialect in ("beta", "ga"):
        for line in terminal("reseed", entry["session_id"], "--dialect", dialect).lines:
            check_client_event(line, dialect)


def test_the_events_are_a_recording_themselves(
    terminal: Terminal, own_folder: Path, recorded: EventStore
) -> None:
    events = terminal("reseed", "tools").out
    Path("events.jsonl").write_text(events)
    (entry,) = terminal("import", "events.jsonl", "--json").json["data"]
    assert entry["events"] == len(events.splitlines())
    assert json.loads(events.splitlines()[0])["type"] == "session.update"
