"""Integration: the command `feed` prints what a subscription delivers, and goes on where it was."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest
from support.calls import voice_call
from support.own_projections import NOTE
from support.terminal import COMMAND, Terminal, environment

from eventstore import EventStore

FRAMES = voice_call().frames


def lines(terminal: Terminal, *arguments: str) -> list[Any]:
    out = terminal("feed", *arguments, "--once", "--json").out
    return [json.loads(line) for line in out.splitlines()]


def test_events_responses_and_sessions(terminal: Terminal, store: EventStore) -> None:
    store.append("a", FRAMES, close=True)
    found = lines(terminal, "every", "--from", "start", "--type", "response.done")
    wanted = [one for one in store.events("a") if one.type == "response.done"]
    assert [one["frame"] for one in found] == [one.text for one in wanted]
    assert found[0].keys() >= {"session_id", "seq", "kind", "at", "direction", "type", "event"}
    assert lines(terminal, "every") == []
    (first, _) = lines(terminal, "r", "--of", "responses", "--from", "start")
    assert first["response"] == store.response("resp_1")
    (ended,) = lines(terminal, "s", "--of", "sessions", "--from", "start")
    assert ended["session"] == store.session("a")
    listed = terminal("feed", "--json").json["data"]
    assert [one["name"] for one in listed] == ["every", "r", "s"]
    assert terminal("feed").out.splitlines()[0] == "every (events from start): 0 sessions behind"
    assert terminal("feed", "s", "--drop").out == "Dropped s.\n"
    told = terminal("feed", "s", "--of", "sessions", "--from", "start", "--once").out
    assert told == f"a has ended: {len(FRAMES)} events, 2 responses\n"
    store.append("b", FRAMES)
    printed = terminal("feed", "every", "--once").out.splitlines()  # its types are as they were
    assert len(printed) == 2 and all(" response.done " in line for line in printed)
    assert "is of events" in terminal("feed", "every", "--of", "sessions").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_nothing_comes_again(
    terminal: Terminal, store: EventStore, database_url: str, number: int
) -> None:
    store.append("a", FRAMES)
    process = subprocess.Popen(
        [*COMMAND, "feed", "f", "--from", "start", "--json", "--db", database_url],
        env=environment(),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    first = [json.loads(process.stdout.readline())["seq"] for _ in FRAMES]
    store.append("a", [NOTE])
    first.append(json.loads(process.stdout.readline())["seq"])
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and rest == b""
    assert first == list(range(1, len(FRAMES) + 2))
    assert lines(terminal, "f") == []
