"""Acceptance: a program takes a real terminal, and gives it back whenever a signal arrives."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from support.pty_terminal import PtyTerminal, in_terminal

CTRL_C = "\x03"

_IMPORTS = """
import os, signal, time
from eventstore.cli.terminal.raw_terminal import RawTerminal
from eventstore.cli.terminal.terminal_player import play_interactively
from eventstore.replay.player.cue import Cue

HELLO = [Cue(1, None, None, "said", "user", "Hello")]
"""
_HANGING = """
def state_at(seq):
    print("asked", flush=True)
    time.sleep(120)

play_interactively(HELLO, 1.0, state_at)
"""
_HANGING_LIST = """
from eventstore.cli.terminal.live_sessions import watch_sessions
from eventstore.store.queries.pages import Page

pages = [Page([], None, None, False)]

def ask():
    if pages:
        return pages.pop()
    print("asked", flush=True)
    time.sleep(120)

watch_sessions(ask)
"""
# One more Ctrl-C arrives before each step of the restoring.
_INTERRUPTED = """
restore, write = RawTerminal._give_back, RawTerminal.write

def interrupted(self):
    RawTerminal.write = write_and_interrupt
    signal.raise_signal(signal.SIGINT)
    restore(self)

def write_and_interrupt(self, text):
    signal.raise_signal(signal.SIGINT)
    write(self, text)

RawTerminal._give_back = interrupted
play_interactively(HELLO, 1.0, lambda seq: {})
print("goes on", flush=True)
"""
_TAKING = """
screen, drawn = RawTerminal(), 0
with screen.taken():
    print("ready", flush=True)
    typed = b""
    while b"q" not in typed:
        if screen.redrawn != drawn:
            drawn = screen.redrawn
            screen.write("taken")
        typed, _ = screen.wait(None)
"""


def end_by(screen: PtyTerminal, how: str | signal.Signals) -> None:
    if isinstance(how, signal.Signals):
        os.kill(screen.process.pid, how)
    else:
        screen.type(how)


@pytest.mark.parametrize(
    ("how", "code"), [(CTRL_C, 0), (signal.SIGTERM, -signal.SIGTERM)], ids=["ctrl-c", "sigterm"]
)
def test_a_query_that_hangs_is_ended(how: str | signal.Signals, code: int) -> None:
    with in_terminal(sys.executable, "-c", _IMPORTS + _HANGING) as screen:
        screen.shows("Hello")
        screen.type("s")
        screen.until(lambda lines: "asked" in screen.printed)
        end_by(screen, how)
        assert screen.ends() == code
        assert screen.is_as_before()


@pytest.mark.parametrize("how", [CTRL_C, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_list_that_hangs_is_ended(how: str | signal.Signals) -> None:
    with in_terminal(sys.executable, "-c", _IMPORTS + _HANGING_LIST) as screen:
        screen.until(lambda lines: "asked" in screen.printed)
        end_by(screen, how)
        assert screen.ends() == 0
        assert screen.is_as_before()


@pytest.mark.parametrize(
    ("how", "code"),
    [("q", 0), (CTRL_C, 0), (signal.SIGTERM, -signal.SIGTERM)],
    ids=["q", "ctrl-c", "sigterm"],
)
def test_a_further_signal_does_not_interrupt_the_restoring(
    how: str | signal.Signals, code: int
) -> None:
    with in_terminal(sys.executable, "-c", _IMPORTS + _INTERRUPTED) as screen:
        screen.shows("Hello")
        end_by(screen, how)
        assert screen.ends() == code
        assert screen.is_as_before() and "Traceback" not in screen.printed
        assert ("goes on" in screen.printed) is (code == 0)


def test_in_the_background_it_waits_until_it_has_the_terminal(tmp_path: Path) -> None:
    program = tmp_path / "taking.py"
    program.write_text(_IMPORTS + _TAKING)
    shell = ("/bin/bash", "--norc", "--noprofile", "--noediting", "-i")
    with in_terminal(*shell, PS1="$ ") as screen:
        screen.shows("$")
        cooked = screen.settings()
        screen.type(f"'{sys.executable}' '{program}' &\n")
        screen.shows("ready")
        assert screen.settings() == cooked and not screen.screen.alternate
        screen.type("fg\n")
        screen.shows("taken")
        assert screen.settings() != cooked and screen.screen.alternate
        screen.type("q")
        screen.until(lambda lines: not screen.screen.alternate and "$" in "".join(lines))
        assert screen.settings() == cooked
        screen.type("exit\n")
        assert screen.ends() == 0
