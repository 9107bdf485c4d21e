"""Acceptance: a call is played in a real terminal, which is left as it was found."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.calls import voice_call
from support.events import Call
from support.examples import examples
from support.hostile_terminal import hostile_call
from support.pty_terminal import PtyTerminal, in_terminal
from support.strategies import streams
from support.terminal import COMMAND, Terminal

from eventstore import EventStore, Frame
from eventstore.cli.terminal.cues import play
from eventstore.cli.terminal.drawing import full_screen
from eventstore.cli.terminal.player_rows import status_line, transcript_rows
from eventstore.cli.terminal.terminal_player import View, press
from eventstore.errors import NotFoundError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import decode
from eventstore.replay.player import playhead
from eventstore.replay.player.cue import Cue
from eventstore.replay.player.cues import cues

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

RIGHT, LEFT, UP, DOWN = "\x1b[C", "\x1b[D", "\x1b[A", "\x1b[B"
CTRL_C, CTRL_Z = "\x03", "\x1a"


def script(frames: list[Frame]) -> list[Cue]:
    events = (
        StoredEvent(seq, frame.at, frame.direction, decode(frame.text).type, frame.text)
        for seq, frame in enumerate(frames, 1)
    )
    return list(cues(events))


@pytest.fixture
def recorded(store: EventStore, terminal: Terminal, sample_call: Path) -> EventStore:
    """A store with the sample call, a call without times, and a hostile one."""
    store.import_file(sample_call, session_id="sample")
    untimed = [frame._replace(at=None) for frame in voice_call().frames]
    store.append("untimed", untimed)
    store.append("hostile", [frame._replace(at=None) for frame in hostile_call().frames])
    return store


@contextmanager
def player(session: str, *options: str) -> Iterator[PtyTerminal]:
    """The player, which has the terminal."""
    with in_terminal(*COMMAND, "replay", session, "-i", *options) as screen:
        screen.shows("event ")
        yield screen


# Unit: what keys do, and what is drawn

KEYS = [*"qn?p+-=eigs0123456789.:x", "up", "down", "left", "right", "space", "enter", "escape"]


def state_at(seq: int) -> dict[str, object]:
    return {"seq": seq}


@given(
    played=streams(15),
    keys=st.lists(st.tuples(st.sampled_from([*KEYS, "backspace", ""]), st.floats(0, 2))),
)
@examples(150)
def test_any_keys_keep_the_playhead_within_the_call(
    played: list[Frame], keys: list[tuple[str, float]]
) -> None:
    view, now = View(playhead.start(playhead.cue_track(script(played)), 0.0)), 0.0
    out = Console(file=StringIO(), width=60)
    for key, seconds in keys:
        now += seconds
        view = press(view, key, now, state_at)
        assert 0 <= view.head.position <= len(view.head.track.pieces)
        assert view.page == "call" or not view.head.playing or view.page == "left"
        assert len(transcript_rows(view.head, out, 10)) <= 10
        screen = full_screen([], status_line(view.head, view.note, 60), 60, 3)
        assert [row.cell_len for row in screen] == [0, 0, 60]


@given(played=streams(15), steps=st.integers(0, 60))
@examples(100)
def test_what_is_shown_is_what_was_said_up_to_the_playhead(played: list[Frame], steps: int) -> None:
    found = script(played)
    head = playhead.step(
        playhead.pause(playhead.start(playhead.cue_track(found), 0.0), 0.0), -99, 0.0
    )
    head = playhead.step(head, steps, 0.0)
    told = Console(file=StringIO(), width=10_000)
    play(told, [piece.cue for piece in head.track.pieces[: head.position]], stream=False)
    assert isinstance(told.file, StringIO)
    wanted = [line.split() for line in told.file.getvalue().splitlines()]
    rows = transcript_rows(head, Console(file=StringIO(), width=10_000), 10_000)
    assert [row.plain.split() for row in rows] == wanted


def test_a_page_over_the_call_lets_time_stand_and_then_goes_on() -> None:
    view = View(playhead.start(playhead.cue_track(script(voice_call().frames)), 0.0))
    moment = playhead.advance(view.head, 0.1).moment_ms
    covered = press(view, "s", 0.1, state_at)
    assert covered.page == "state" and not covered.head.playing
    assert covered.state == {"seq": covered.head.track.pieces[covered.head.position - 1].cue.seq}
    back = press(covered, "q", 50.0, state_at)
    assert (back.page, back.head.playing, back.head.moment_ms) == ("call", True, moment)
    paused = press(press(back, "space", 50.0, state_at), "?", 60.0, state_at)
    assert paused.page == "help"
    assert not press(paused, "x", 70.0, state_at).head.playing


def test_a_state_that_cannot_be_read_is_a_note() -> None:
    def fails(seq: int) -> dict[str, object]:
        raise NotFoundError("no session\x1b[31m x")

    view = View(playhead.start(playhead.cue_track(script(voice_call().frames)), 0.0))
    view = press(press(view, "right", 0.0, fails), "s", 0.0, fails)
    assert (view.page, view.note) == ("call", "no session�[31m x")


@pytest.mark.parametrize(
    ("typed", "moment"),
    [("0.2", 200), ("0:00.25", 250), ("99", 99_000), ("1:00", 60_000), ("0.3x1", 310), (".", None)],
)
def test_a_moment_is_typed(typed: str, moment: float | None) -> None:
    view = View(playhead.start(playhead.cue_track(script(voice_call().frames)), 0.0))
    view = press(view, "space", 0.0, state_at)
    for key in ["g", *typed, "enter"]:
        view = press(view, key, 0.0, state_at)
    assert view.entry is None
    if moment is None:
        assert "use 12.5 or 1:05" in view.note and view.head.moment_ms == 0
    else:
        assert view.head.moment_ms == min(moment, view.head.track.total_ms)


# Integration: where it cannot run


@on_sqlite
def test_without_a_terminal_it_says_so(terminal: Terminal, recorded: EventStore) -> None:
    for options in (["--interactive"], ["-i", "--speed", "2"]):
        assert "needs a terminal" in terminal("replay", "sample", *options).error(2)
    for option in ("--json", "--instant"):
        told = terminal("replay", "sample", "-i", option).error(2)
        assert "goes with neither --instant nor --json" in told


@on_sqlite
def test_on_a_terminal_that_cannot_draw_it_says_so(recorded: EventStore) -> None:
    command = (*COMMAND, "replay", "sample", "-i")
    with in_terminal(*command, TERM="dumb") as screen:
        assert screen.ends() == 2
        assert "--interactive needs a terminal" in screen.printed


@on_sqlite
def test_an_unknown_session_leaves_the_terminal_alone(recorded: EventStore) -> None:
    with in_terminal(*COMMAND, "replay", "nowhere", "-i") as screen:
        assert screen.ends() == 1
        assert "no session nowhere" in screen.printed and "\x1b" not in screen.printed


# Acceptance: a real terminal


def quit_by(screen: PtyTerminal, how: str | signal.Signals) -> None:
    if isinstance(how, signal.Signals):
        os.kill(screen.process.pid, how)
    else:
        screen.type(how)


@on_sqlite
@pytest.mark.parametrize(
    ("how", "code"),
    [("q", 0), (CTRL_C, 0), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)],
    ids=["q", "ctrl-c", "sigterm", "sighup"],
)
def test_the_terminal_is_left_as_it_was(
    recorded: EventStore, how: str | signal.Signals, code: int
) -> None:
    with player("sample") as screen:
        screen.shows("● opened", "playing ·")
        assert screen.screen.alternate and not screen.screen.cursor
        assert screen.settings() != screen.before
        quit_by(screen, how)
        assert screen.ends() == code
        assert screen.is_as_before()
        assert "Error" not in screen.printed and "Traceback" not in screen.printed


def test_a_failure_leaves_the_terminal_as_it_was() -> None:
    code = (
        "from eventstore.cli.terminal.terminal_player import play_interactively as play\n"
        "from eventstore.replay.player.cue import Cue\n"
        "play([Cue(1, None, None, 'said', 'user', 'Hello')], 1.0, lambda seq: 1 // 0)\n"
    )
    with in_terminal(sys.executable, "-c", code) as screen:
        screen.shows("Hello")
        screen.type("s")
        assert screen.ends() == 1
        assert "ZeroDivisionError" in screen.printed
        assert screen.is_as_before()


@on_sqlite
def test_a_terminal_that_goes_away_ends_it(recorded: EventStore) -> None:
    with player("untimed") as screen:
        screen.shows("● opened")
        screen.hang_up()
        assert screen.process.wait(60) != 0


@on_sqlite
def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again(
    recorded: EventStore,
) -> None:
    command = " ".join(f"'{part}'" for part in (*COMMAND, "replay", "untimed", "-i"))
    shell = ("/bin/bash", "--norc", "--noprofile", "--noediting", "-i")
    with in_terminal(*shell, PS1="$ ") as screen:
        screen.shows("$")
        cooked = screen.settings()
        screen.type(f"{command}\n")
        screen.shows("no times: step only")
        screen.type(CTRL_Z)
        screen.shows("Stopped")
        assert screen.settings() == cooked
        assert screen.screen.cursor and not screen.screen.alternate
        screen.type("fg\n")
        screen.shows("no times: step only", "● opened")
        assert screen.screen.alternate and not screen.screen.cursor
        screen.type(RIGHT)
        screen.shows("2 / ")
        screen.type("q")
        screen.until(lambda lines: not screen.screen.alternate and "$" in "".join(lines))
        assert screen.settings() == cooked
        screen.type("exit\n")
        assert screen.ends() == 0


@on_sqlite
def test_it_pauses_steps_and_changes_speed(recorded: EventStore) -> None:
    with player("sample", "--speed", "2") as screen:
        screen.shows("playing ·", "2×")
        screen.type(" ")
        screen.shows("paused ·")
        screen.type(UP + "+" + DOWN)
        screen.shows("4×")
        screen.type("g0\r")
        screen.shows("paused · 0:00.0 / 0:30.5")
        screen.type(RIGHT)
        screen.shows("speaks …", "paused · 0:01.1")
        screen.type(RIGHT)
        screen.shows("find_order")
        screen.type(LEFT)
        screen.until(lambda lines: "find_order" not in "\n".join(lines))
        # Steps stop a call that plays.
        screen.type(" " + RIGHT)
        screen.shows("find_order", "paused ·")


@on_sqlite
def test_it_jumps_and_says_when_there_is_nothing_to_jump_to(recorded: EventStore) -> None:
    with player("sample") as screen:
        screen.type(" g0\rnn")
        screen.shows("paused · 0:04.8", "find_order")
        screen.type("p")
        screen.until(lambda lines: "paused · 0:01.1" in lines[-1] and lines[2] == "")
        screen.type("i")
        screen.shows("✂ truncated heard only the first 5.1 s", "paused · 0:19.9")
        screen.type("ii")
        screen.shows("✂ interrupted", "no interruption ahead")
        screen.type("e")
        screen.shows("no error ahead")
        screen.type("g30.4\r")
        screen.shows("paused · 0:30.4")
        screen.type("g99\r")
        screen.shows("end · 0:30.5 / 0:30.5")


@on_sqlite
def test_it_plays_to_the_end_and_again(recorded: EventStore) -> None:
    with player("sample", "--speed", "10000") as screen:
        lines = screen.shows("end · 0:30.5")
        assert "aside" in "\n".join(lines)
        screen.type("-" * 10 + "g99\r")
        screen.shows("9.76562×")
        screen.type(" ")
        screen.shows("playing ·")
        screen.type("q")
        assert screen.ends() == 0


@on_sqlite
def test_it_shows_the_state_here_and_help(recorded: EventStore) -> None:
    with player("sample") as screen:
        screen.type(" g12.5\rs")
        lines = screen.shows("any key goes back", "find_order")
        told = recorded.state("sample", 390)["session"]["eventstore"]
        assert f"{told['events']} events" in lines[1]
        assert "thirty days" not in "\n".join(lines)
        screen.type("x")
        screen.until(lambda lines: "events ·" not in "\n".join(lines))
        screen.type("?")
        screen.shows("next interruption", "any key goes back")
        screen.type("q")
        screen.shows("● opened", "paused · 0:12.5")


@on_sqlite
def test_a_window_of_another_size_is_drawn_anew(recorded: EventStore) -> None:
    with player("sample") as screen:
        screen.type(" g20\r")
        screen.shows("paused · 0:20.0", "✂ truncated")
        for rows, columns in ((8, 50), (40, 120), (3, 20), (1, 5), (2, 1), (24, 100)):
            screen.resize(rows, columns)
            screen.until(lambda lines: lines[-1].strip() != "")
            assert len(screen.screen.lines()) == rows
        lines = screen.shows("paused · 0:20.0", "● opened", "✂ truncated")
        assert lines[-1].startswith(" paused")
        # Rows that look the same are drawn again too.
        screen.resize(24, 101)
        screen.shows("paused · 0:20.0", "● opened", "✂ truncated")


@on_sqlite
def test_without_times_it_steps_and_says_so(recorded: EventStore) -> None:
    with player("untimed") as screen:
        lines = screen.shows("● opened sess_1", "no times: step only")
        assert not any("speaks" in line for line in lines)
        for key in (" ", "+", "g"):
            screen.type(key)
            screen.shows("recorded without times")
            screen.type(RIGHT + LEFT)
            screen.until(lambda lines: "recorded without" not in lines[-1])
        screen.type("nn")
        screen.shows("assistant  It")
        screen.type("q")
        assert screen.ends() == 0


@on_sqlite
def test_hostile_text_steers_nothing(recorded: EventStore) -> None:
    # The screen refuses every sequence that is not the player's own.
    with player("hostile") as screen:
        screen.shows("no times: step only")
        last = len(playhead.cue_track(recorded.replay("hostile")).pieces)
        for place in range(2, last + 1):
            screen.type(RIGHT)
            screen.shows(f"{place} / {last}")
        screen.shows("[bold red]x[/][link=a]:smile:")
        screen.type("s")
        screen.shows("any key goes back")
        screen.type("xq")
        assert screen.ends() == 0 and screen.is_as_before()


@on_sqlite
def test_errors_are_jumped_to(terminal: Terminal, store: EventStore) -> None:
    call = Call().server("session.created", session={"id": "s"})
    call.typed("item_1", "Hello").server("error", error={"message": "no way"})
    store.append("sess", call.frames)
    with player("sess", "--speed", "0.01") as screen:
        screen.type("e")
        screen.shows("! error no way", "end ·")
