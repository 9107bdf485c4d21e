"""Integration: a conversation as people read it: whole, at any moment, and as it happened."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from support.calls import beta_tool_call, voice_call
from support.events import log_events
from support.terminal import Output, Terminal
from support.told_call import told_call

from eventstore import EventStore
from eventstore.projection.fold import fold
from eventstore.projection.views import resources
from eventstore.projection.views.session_resource import session_resource
from eventstore.replay.player.pacing import paced
from eventstore.store.queries.query_sessions import conversation_resources


@pytest.fixture
def recorded(store: EventStore) -> EventStore:
    """A store with two calls."""
    store.append("voice", voice_call().frames)
    store.append("tools", beta_tool_call().frames)
    return store


@pytest.mark.parametrize("seq", [1, 2, 17, 28, 45, 58, 66, 1000])
def test_show_at_a_seq_is_the_fold_of_the_events_up_to_it(
    terminal: Terminal, recorded: EventStore, seq: int
) -> None:
    shown = terminal("state", "voice", "--at", str(seq), "--json").json
    state = fold("voice", log_events(voice_call().frames[:seq]))
    assert shown["session"] == session_resource(state)
    assert shown["conversations"] == conversation_resources(state)
    assert shown["responses"] == [
        resources.response_resource(state, response) for response in state.responses.values()
    ]


@pytest.mark.parametrize("seconds", ["0", "0.1", "0.2155", "0.45", "60"])
def test_show_at_seconds_is_show_at_the_last_event_until_then(
    terminal: Terminal, recorded: EventStore, seconds: str
) -> None:
    frames = voice_call().frames
    end = (frames[0].at or 0) + float(seconds) * 10**6
    seq = sum((frame.at or 0) <= end for frame in frames)
    shown = terminal("state", "voice", "--at", f"+{seconds}", "--json").json
    assert shown == terminal("state", "voice", "--at", str(seq), "--json").json
    assert shown["session"]["eventstore"]["events"] == seq


def test_show_names_the_speakers_that_the_server_tells_apart(
    terminal: Terminal, store: EventStore
) -> None:
    store.append("told", told_call().frames)
    assert "user       [A] Hello? [B] Hi, it is me." in terminal("state", "told").out
    store.append("voice", voice_call().frames)
    assert "[A]" not in terminal("state", "voice").out


def noted(told: Output) -> str:
    """What is noted of the moment, without what is noted of its cost."""
    lines = told.err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("Not in the cost: "))


@pytest.mark.parametrize("at", ["1", "57", "66", "+0", "+.2155", "+0.444", " 57 "])
def test_show_at_a_moment_of_the_session_notes_nothing(
    terminal: Terminal, recorded: EventStore, at: str
) -> None:
    told = terminal("state", "voice", f"--at={at}")
    assert (told.code, noted(told)) == (0, "") and "session voice" in told.out


@pytest.mark.parametrize("at", ["67", "9" * 30, "+60", "+1e300"])
def test_show_behind_the_end_says_that_it_shows_the_end(
    terminal: Terminal, recorded: EventStore, at: str
) -> None:
    told = terminal("state", "voice", "--at", at)
    # The recorder's own last event, a millisecond later, is no part of the call.
    note = "the session ends at event 66 (+0.444 s): showing its end\n"
    assert (told.code, noted(told)) == (0, note)
    assert told.out == terminal("state", "voice").out
    assert terminal("state", "voice", "--at", at, "--json").err == note


def test_metadata_set_later_moves_no_end(terminal: Terminal, store: EventStore) -> None:
    call = voice_call()
    call.ms += 10**7
    store.append("sess", call.store("metadata", metadata={"a": "b"}).frames)
    told = terminal("state", "sess", "--at", "+60")
    assert noted(told) == "the session ends at event 66 (+0.444 s): showing its end\n"


def test_the_end_of_a_session_without_times_has_none(terminal: Terminal, store: EventStore) -> None:
    store.append("sess", [frame._replace(at=None) for frame in voice_call().frames[:5]])
    told = terminal("state", "sess", "--at", "6")
    assert told.err == "the session ends at event 5: showing its end\n"


def test_show_keeps_what_nobody_heard_apart(terminal: Terminal, recorded: EventStore) -> None:
    shown = terminal("state", "voice").out
    assert "user       Hi, how is the weather?" in shown
    assert "assistant  It is sunny in Oslo today\n" in " \n".join(
        line.rstrip() + "\n" for line in shown.splitlines()
    )
    (cut,) = [line for line in shown.splitlines() if "not heard" in line]
    heard, _, unheard = cut.partition("[not heard: ")
    assert "And tomorrow" in heard and "will rain" in unheard
    assert "resp_2" in shown and "cancelled turn_detected (interrupted)" in shown


def test_show_tells_calls_and_results_of_tools(terminal: Terminal, recorded: EventStore) -> None:
    shown = terminal("state", "tools").out
    assert 'weather({"city":"Oslo"})' in shown
    assert [line for line in shown.splitlines() if line.split()[:2] == ["tool", "sunny"]]


def test_replay_tells_who_says_what_and_when(terminal: Terminal, recorded: EventStore) -> None:
    told = terminal("replay", "voice", "--instant").out.splitlines()
    assert [line.strip().split("  ", 1)[1].strip() for line in told if "assistant" in line] == [
        "assistant  It is sunny in Oslo today",
        "assistant  And tomorrow it will rain",
    ]
    assert any("✂ interrupted the user spoke" in line for line in told)
    assert any("✂ truncated heard only the first 0.5 s" in line for line in told)
    assert all(line.strip().startswith("0:00.") for line in told)


def test_replay_tells_calls_and_results_of_tools(terminal: Terminal, recorded: EventStore) -> None:
    told = terminal("replay", "tools", "--instant").out
    assert 'calls      weather({"city":"Oslo"})' in told
    assert "tool       sunny" in told


class Clock:
    """A clock that only waiting moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        timed = partial(paced, clock=lambda: self.now, sleep=self.sleep)
        monkeypatch.setattr("eventstore.cli.commands.ask.read.paced", timed)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("options", "factor"),
    [([], 1.0), (["--speed", "1"], 1.0), (["--speed", "4"], 0.25), (["--speed", "0.5"], 2.0)],
)
def test_replay_takes_the_time_that_the_call_took(
    terminal: Terminal,
    recorded: EventStore,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    factor: float,
) -> None:
    clock = Clock(monkeypatch)
    terminal("replay", "voice", *options)
    *_, last = recorded.replay("voice")
    assert last.offset_ms is not None
    assert clock.now == pytest.approx(last.offset_ms / 1000 * factor)


def test_replay_at_once_takes_no_time(
    terminal: Terminal, recorded: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    told = terminal("replay", "voice", "--instant").out
    assert clock.now == 0
    terminal("replay", "voice", "--json")
    assert clock.now == 0
    # In whatever time, it tells the same.
    assert terminal("replay", "voice", "--speed", "2").out == told


def test_replay_says_that_a_recording_has_no_times(terminal: Terminal, store: EventStore) -> None:
    store.append("sess", [frame._replace(at=None) for frame in voice_call().frames])
    told = terminal("replay", "sess")
    assert told.code == 0
    assert "recorded without times" in told.err
    assert "It is sunny in Oslo today" in told.out


def test_the_sample_call_is_shown_and_replayed(terminal: Terminal, sample_call: Path) -> None:
    (entry,) = terminal("import", str(sample_call), "--json").json["data"]
    shown = terminal("state", entry["session_id"])
    assert shown.code == 0 and "not heard" in shown.out and "outside the conversation" in shown.out
    told = terminal("replay", entry["session_id"], "--instant")
    for sign in ("● opened", "speaks …", "calls", "tool", "✂ interrupted", "✂ truncated", "aside"):
        assert sign in told.out, sign
