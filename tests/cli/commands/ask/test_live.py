"""Acceptance: the sessions that are open now, as a list and on a terminal's screen."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.events import Call
from support.hostile_terminal import hostile_call, steers
from support.pty_terminal import PtyTerminal, in_terminal
from support.terminal import COMMAND, Terminal

from eventstore import EventStore, Frame
from eventstore.cli.terminal.live_sessions import Seen, screen_rows
from eventstore.cli.terminal.live_table import ago
from eventstore.times import now, to_iso

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CTRL_C = "\x03"


def ids(page: Any) -> list[str]:
    return [entry["id"] for entry in page.data]


def recent(call: Call, age_seconds: float = 0.0) -> list[Frame]:
    """A call's frames, moved in time: its last one came so long ago."""
    last = max(frame.at or 0 for frame in call.frames)
    moved = now() - round(age_seconds * 1e6) - last
    return [frame._replace(at=(frame.at or 0) + moved) for frame in call.frames]


@pytest.fixture
def calls(store: EventStore) -> EventStore:
    """A store with two open calls, and two that are closed, each in its way."""
    store.append("old", recent(cut_off_call(), 7200), close=False)
    store.append("new", recent(beta_tool_call(), 5))
    store.append("closed", cut_off_call().frames, close=True)
    store.append("noted", voice_call().frames)
    store.set_metadata("new", {"customer": "42"})
    return store


# The list


def test_live_sessions_are_those_that_nobody_closed(calls: EventStore) -> None:
    assert ids(calls.sessions(live=True)) == ["new", "old"]
    assert ids(calls.sessions(live=True, order="asc")) == ["old", "new"]
    assert ids(calls.sessions(live=True, metadata={"customer": "42"})) == ["new"]
    assert ids(calls.sessions(live=True, metadata="customer!=42")) == ["old"]
    assert ids(calls.sessions(live=True, model="gpt-4o-realtime-preview")) == ["new"]
    first = calls.sessions(live=True, limit=1)
    assert first.has_more
    assert ids(calls.sessions(live=True, limit=1, after=first.last_id)) == ["old"]
    assert set(ids(calls.sessions())) == {"new", "old", "closed", "noted"}


def test_a_live_session_is_the_session_and_what_goes_on_in_it(calls: EventStore) -> None:
    sessions = {entry["id"]: entry for entry in calls.sessions().data}
    for entry in calls.sessions(live=True).data:
        notes = dict(entry["eventstore"])
        del notes["doing"], notes["last_words"]
        assert {**entry, "eventstore": notes} == sessions[entry["id"]]
    assert "doing" not in sessions["new"]["eventstore"]


@pytest.mark.parametrize("projection", ["inline", "deferred"])
def test_a_session_is_live_until_it_is_closed(store: EventStore, projection: Any) -> None:
    frames = voice_call().frames
    with EventStore(store.engine.url.render_as_string(False), projection=projection) as writer:
        for session_id in ("whole", "noted"):
            writer.append(session_id, frames[:-1])
        store.project().raise_for_errors()
        assert ids(store.sessions(live=True)) == ["whole", "noted"]
        writer.append("whole", [], close=True)
        # No worker is needed for this one, whose writer said so.
        assert ids(store.sessions(live=True)) == ["noted"]
        writer.append("noted", frames[-1:])
        store.project().raise_for_errors()
        assert ids(store.sessions(live=True)) == []


def test_who_has_the_floor_is_told_at_each_moment(store: EventStore) -> None:
    told: list[tuple[str, str | None]] = []
    for frame in voice_call().frames[:-1]:
        store.append("sess", [frame])
        notes = store.sessions(live=True).data[0]["eventstore"]
        words = notes["last_words"]
        step = (notes["doing"], words and f"{words['role']}: {words['text']}")
        if not told or told[-1] != step:
            told.append(step)
    sunny = "assistant: It is sunny in Oslo today"
    assert told[:4] == [
        ("waiting", None),
        ("user_speaking", None),
        ("waiting", None),
        ("answering", None),
    ]
    assert ("answering", sunny) in told and ("waiting", sunny) in told
    after = told[told.index(("waiting", sunny)) :]
    assert [doing for doing, _ in after][:5] == [
        "waiting",
        "user_speaking",
        "waiting",
        "answering",
        "user_speaking",  # over the answer, which is cancelled
    ]
    assert after[-1][0] == "user_speaking"


def test_json_is_one_document_as_python_has_it(terminal: Terminal, calls: EventStore) -> None:
    told = terminal("sessions", "--live", "--json").json
    assert told == calls.sessions(live=True).as_list()
    assert [entry["eventstore"]["doing"] for entry in told["data"]] == ["waiting", "answering"]
    told = terminal("sessions", "--live", "--json", "--metadata", "customer=42").json
    assert [entry["id"] for entry in told["data"]] == ["new"]


def test_without_a_terminal_the_table_is_printed_once(
    terminal: Terminal, calls: EventStore
) -> None:
    told = terminal("sessions", "--live")
    assert (told.code, told.err) == (0, "")
    heading, new, about_new, old, about_old = told.out.splitlines()
    assert heading.split() == ["SESSION", "STARTED", "LENGTH", "EVENTS", "LAST", "EVENT", "NOW"]
    assert new.split()[0] == "new" and " s ago" in new and new.rstrip().endswith("waiting")
    assert about_new.strip() == (
        "gpt-4o-realtime-preview · customer=42 · assistant: Sunny in Oslo."
    )
    assert old.split()[0] == "old" and "2 h ago" in old and old.rstrip().endswith("answering")
    assert about_old.strip() == "user: Hello?"
    told = terminal("sessions", "--live", "--limit", "1")
    assert told.err == "More follow: --after new\n"
    told = terminal("sessions", "--live", "--model", "other")
    assert (told.out, told.err) == ("", "No sessions match.\n")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s ago"),
        (2.9, "2 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7199, "119 min ago"),
        (7200, "2 h ago"),
        (172_800, "2 days ago"),
    ],
)
def test_ages_are_told_in_a_fitting_unit(seconds: float, told: str) -> None:
    at = 1_700_000_000_000_000
    assert ago(to_iso(at), at + round(seconds * 1e6)) == told


def test_an_unknown_time_has_no_age(terminal: Terminal, store: EventStore) -> None:
    assert ago(None, 0) == ""
    store.append("sess", [frame._replace(at=None) for frame in cut_off_call().frames])
    told = terminal("sessions", "--live").out
    assert "sess" in told and "ago" not in told


def test_nothing_in_it_steers_the_terminal(terminal: Terminal, store: EventStore) -> None:
    frames = hostile_call().frames
    store.append("sess", frames[:-1])
    told = terminal("sessions", "--live")
    assert "sess" in told.out and "needle" in told.out and steers(told) == []


# On a terminal


@contextmanager
def watching(*options: str, **size: int) -> Iterator[PtyTerminal]:
    with in_terminal(*COMMAND, "sessions", "--live", *options, **size) as screen:
        screen.shows("q quits")
        yield screen


def test_the_screen_follows_calls_as_they_come_and_go(
    terminal: Terminal, calls: EventStore
) -> None:
    with watching() as screen:
        lines = screen.shows("2 sessions open", "new", "old")
        assert lines[0].split()[0] == "SESSION" and "closed" not in "\n".join(lines)
        frames = voice_call().frames
        calls.append("third", frames[:3])
        screen.shows("3 sessions open", "third", "user=u-1")
        calls.append("third", frames[3:14])
        screen.shows("user speaks")
        calls.append("third", frames[14:20])
        screen.shows("gpt-realtime · user=u-1")
        calls.append("third", frames[20:-1])
        screen.shows("assistant: And tomorrow it will rain")
        calls.append("third", frames[-1:], close=True)
        lines = screen.until(lambda lines: "third" not in "\n".join(lines))
        assert "2 sessions open" in lines[-1]
        calls.append("new", [], close=True)
        calls.append("old", [], close=True)
        lines = screen.shows("0 sessions open")
        assert not any(lines[:-1])
        assert screen.process.poll() is None


@on_sqlite
@pytest.mark.parametrize(
    "how", ["q", CTRL_C, signal.SIGTERM, signal.SIGINT], ids=["q", "ctrl-c", "sigterm", "sigint"]
)
def test_the_terminal_is_left_as_it_was(
    terminal: Terminal, calls: EventStore, how: str | signal.Signals
) -> None:
    with watching() as screen:
        assert screen.screen.alternate and screen.settings() != screen.before
        if isinstance(how, signal.Signals):
            os.kill(screen.process.pid, how)
        else:
            screen.type(how)
        assert screen.ends() == 0
        assert screen.is_as_before()
        assert "Error" not in screen.printed and "Traceback" not in screen.printed


@on_sqlite
def test_a_window_of_another_size_is_drawn_anew(terminal: Terminal, calls: EventStore) -> None:
    with watching() as screen:
        for rows, columns in ((3, 60), (40, 120), (2, 3), (1, 1), (24, 100)):
            screen.resize(rows, columns)
            screen.until(lambda lines: lines[-1].strip() != "" or len(lines[0]) < 2)
            assert screen.process.poll() is None
        screen.shows("2 sessions open", "user: Hello?")
        screen.type("x")
        screen.resize(4, 100)
        lines = screen.shows("2 sessions open", "…")
        assert "old" not in "\n".join(lines)


@on_sqlite
@pytest.mark.parametrize("columns", range(1, 120, 3))
def test_rows_fill_the_screen_and_fit(calls: EventStore, columns: int) -> None:
    out = Console(file=StringIO(), width=columns)
    page = calls.sessions(live=True)
    for height in (1, 2, 3, 6, 20):
        rows = screen_rows(Seen(page, now()), out, height)
        assert len(rows) == height
        assert all(row.cell_len <= columns for row in rows)


def test_a_failure_to_read_is_told_in_place(calls: EventStore) -> None:
    out = Console(file=StringIO(), width=100)
    seen = Seen(calls.sessions(live=True), now(), "the database failed: away")
    rows = screen_rows(seen, out, 10)
    assert "new" in rows[1].plain
    assert "2 sessions open · the database failed: away" in rows[-1].plain


@on_sqlite
def test_what_is_wrong_is_told_before_the_screen_is_taken(
    terminal: Terminal, calls: EventStore
) -> None:
    with in_terminal(*COMMAND, "sessions", "--live", "--after", "nowhere") as screen:
        assert screen.ends() == 1
        assert "no session nowhere" in screen.printed and "\x1b" not in screen.printed


@on_sqlite
def test_a_terminal_that_cannot_draw_gets_the_table_once(
    terminal: Terminal, calls: EventStore
) -> None:
    with in_terminal(*COMMAND, "sessions", "--live", TERM="dumb") as screen:
        assert screen.ends() == 0
        screen.shows("SESSION", "new", "old")
        assert "\x1b" not in screen.printed
