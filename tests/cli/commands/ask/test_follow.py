"""Acceptance: a process follows a session while another one writes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.events import Call
from support.gpt_live import client_call, decisions_call
from support.live_speech import say, started
from support.postgres import PostgresServer
from support.pty_terminal import in_terminal
from support.shut_database import shut
from support.terminal import COMMAND, Terminal

from eventstore import EventStore, Frame, NotFoundError
from eventstore.cli.stopping import stopped_by_signals
from eventstore.replay.player.cue import Cue
from eventstore.store.log.follow import RETRY

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PATIENCE = 60.0
CTRL_C = "\x03"


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


class Follower:
    """A process that follows a session, and what it printed so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._out, self._err = bytearray(), bytearray()
        self._readers = [
            threading.Thread(target=self._read, args=(process.stdout, self._out)),
            threading.Thread(target=self._read, args=(process.stderr, self._err)),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: object, kept: bytearray) -> None:
        while piece := os.read(pipe.fileno(), 65536):  # type: ignore[attr-defined]
            kept.extend(piece)

    @property
    def out(self) -> str:
        return bytes(self._out).decode(errors="ignore")

    @property
    def err(self) -> str:
        return bytes(self._err).decode(errors="ignore")

    def ends(self) -> int:
        """Wait for its end; its exit code."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code


@contextmanager
def following(terminal: Terminal, *arguments: str) -> Iterator[Follower]:
    follower = Follower(terminal.start("state", "--follow", *arguments))
    try:
        yield follower
    finally:
        if follower.process.poll() is None:
            follower.process.kill()
        follower.ends()


def sample_frames(store: EventStore, sample_call: Path) -> list[Frame]:
    """The frames of the sample call."""
    with EventStore("sqlite://") as elsewhere:
        (entry,) = elsewhere.import_file(sample_call)
        events = list(elsewhere.events(entry.session_id))
    return [Frame(event.direction, event.text, event.at) for event in events]


def replayed(terminal: Terminal, session_id: str) -> str:
    """What a replay prints of a session, as far as it is."""
    return terminal("replay", session_id, "--instant").out


# What it prints


@pytest.mark.parametrize(
    ("call", "size"), [("sample", 97), ("voice", 4), ("tools", 3)], ids=["sample", "voice", "tools"]
)
def test_it_prints_what_a_replay_prints_as_it_happens(
    terminal: Terminal, store: EventStore, sample_call: Path, call: str, size: int
) -> None:
    frames = {"voice": voice_call().frames, "tools": beta_tool_call().frames}.get(call)
    frames = frames or sample_frames(store, sample_call)
    store.append("sess", frames[:size])
    with following(terminal, "sess") as follower:
        for place in range(size, len(frames), size):
            # In mid-speech too: words come as they are generated, before their turn is done.
            until(lambda: follower.out.rstrip() == replayed(terminal, "sess").rstrip())
            assert follower.process.poll() is None
            piece = frames[place : place + size]
            store.append("sess", piece, close=place + size >= len(frames))
        assert follower.ends() == 0
    assert follower.out == replayed(terminal, "sess")
    last = "The session is closed: done.\n" if call == "voice" else "The session is closed.\n"
    assert follower.err == last


def test_json_is_a_line_a_cue_at_once(terminal: Terminal, store: EventStore) -> None:
    frames = voice_call().frames
    store.append("sess", frames[:40])
    with following(terminal, "sess", "--json") as follower:
        for end in (40, 50, len(frames)):
            store.append("sess", frames[store.last_seq("sess") : end])
            wanted = terminal("replay", "sess", "--json").json["data"]
            until(lambda wanted=wanted: follower.out.count("\n") == len(wanted))
            assert [json.loads(line) for line in follower.out.splitlines()] == wanted
        assert follower.ends() == 0
    assert follower.err == "The session is closed: done.\n"


def test_a_closed_session_is_printed_whole(terminal: Terminal, store: EventStore) -> None:
    store.append("sess", cut_off_call().frames, close=True)
    told = terminal("state", "sess", "--follow")
    assert (told.code, told.err) == (0, "The session is closed.\n")
    assert told.out == replayed(terminal, "sess") != ""


@on_sqlite
def test_what_follows_a_close_by_the_server_is_printed(
    terminal: Terminal, store: EventStore
) -> None:
    call = voice_call()
    frames = call.frames[:-1]
    store.append("sess", frames)
    with following(terminal, "sess") as follower:
        until(lambda: "heard only the first" in follower.out)
        store.append("sess", Call().server("session.closed", reason="expired").frames)
        until(lambda: "expired" in follower.out)
        store.append("sess", call.frames[-1:], close=True)
        assert follower.ends() == 0
    assert follower.out == replayed(terminal, "sess")
    assert follower.err == "The session is closed: done.\n"


@on_sqlite
def test_a_close_by_the_server_alone_ends_it(terminal: Terminal, store: EventStore) -> None:
    store.append("sess", Call().typed("item_1", "Hello").server("session.closed").frames)
    told = terminal("state", "sess", "--follow")
    assert (told.code, told.err) == (0, "The session is closed.\n")
    assert "Hello" in told.out and "■ closed" in told.out


def test_it_follows_appends_that_are_projected_later(terminal: Terminal, store: EventStore) -> None:
    frames = voice_call().frames
    with EventStore(store.engine.url.render_as_string(False), projection="deferred") as writer:
        writer.append("sess", frames[:30])
        with following(terminal, "sess") as follower:
            until(lambda: "speaks …" in follower.out)
            writer.append("sess", frames[30:], close=True)
            assert follower.ends() == 0
    assert follower.out == replayed(terminal, "sess")


# How it ends


@on_sqlite
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["words", "json"])
def test_a_signal_ends_it_in_order(
    terminal: Terminal, store: EventStore, number: signal.Signals, options: list[str]
) -> None:
    # In the middle of an answer's words.
    store.append("sess", cut_off_call().frames)
    with following(terminal, "sess", *options) as follower:
        until(lambda: '"to "' in follower.out if options else "Hello to" in follower.out)
        follower.process.send_signal(number)
        assert follower.ends() == 0
    assert follower.out.endswith("\n")
    assert follower.err == "Stopped; follow it again with: eventstore state sess --follow\n"
    if not options:
        assert follower.out == replayed(terminal, "sess")


@on_sqlite
def test_ctrl_c_leaves_the_terminal_in_order(terminal: Terminal, store: EventStore) -> None:
    store.append("sess", cut_off_call().frames)
    with in_terminal(*COMMAND, "state", "sess", "--follow") as screen:
        screen.shows("Hello to")
        screen.type(CTRL_C)
        assert screen.ends() == 0
        lines = screen.shows("Stopped; ")
        assert screen.is_as_before()
    at = next(number for number, line in enumerate(lines) if "Hello to" in line)
    assert lines[at + 1].startswith("Stopped; ")
    assert "Traceback" not in screen.printed


@on_sqlite
def test_a_reader_that_goes_is_no_failure(terminal: Terminal, store: EventStore) -> None:
    store.append("sess", voice_call().frames, close=True)
    told = terminal.shell("eventstore state sess --follow | head -1")
    assert told.code == 0 and told.out.count("\n") == 1 and "Error" not in told.err


def test_an_unknown_session_is_an_error(terminal: Terminal) -> None:
    assert "no session nowhere" in terminal("state", "--follow", "nowhere").error()


@on_sqlite
@pytest.mark.parametrize("options", [["--at", "5"], ["--dialect", "ga"]])
def test_it_goes_with_no_moment_and_no_dialect(terminal: Terminal, options: list[str]) -> None:
    told = terminal("state", "sess", "--follow", *options).error(2)
    assert "--follow goes with neither --at nor --dialect" in told


def test_the_same_signal_again_does_what_it_did_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stopped_by_signals() as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stopped_by_signals() as stopped:
            signal.raise_signal(signal.SIGTERM)
            assert not stopped()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


# A database that goes away


def test_it_goes_on_when_the_database_is_back(
    bare_terminal: Terminal,
    postgres: PostgresServer,
    own_postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EVENTSTORE_URL", own_postgres_url)
    frames = voice_call().frames
    with EventStore(own_postgres_url) as store:
        store.append("sess", frames[:30])
    with following(bare_terminal, "sess") as follower:
        for end in (45, len(frames)):
            until(lambda: follower.out.rstrip() == replayed(bare_terminal, "sess").rstrip())
            told = follower.err
            shut(postgres, own_postgres_url, True)
            until(lambda told=told: len(follower.err) > len(told))
            time.sleep(3 * RETRY)
            shut(postgres, own_postgres_url, False)
            with EventStore(own_postgres_url) as store:
                store.append("sess", frames[store.last_seq("sess") : end], close=end == len(frames))
        assert follower.ends() == 0
    assert follower.out == replayed(bare_terminal, "sess")
    # One note for each time, however often it is tried.
    *notes, last = follower.err.splitlines()
    assert len(notes) == 2 and all(note.endswith("; trying again") for note in notes)
    assert last == "The session is closed: done."


def test_it_can_be_ended_while_the_database_is_away(
    bare_terminal: Terminal,
    postgres: PostgresServer,
    own_postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EVENTSTORE_URL", own_postgres_url)
    with EventStore(own_postgres_url) as store:
        store.append("sess", cut_off_call().frames)
    with following(bare_terminal, "sess") as follower:
        until(lambda: "Hello to" in follower.out)
        shut(postgres, own_postgres_url, True)
        until(lambda: "trying again" in follower.err)
        follower.process.send_signal(signal.SIGTERM)
        assert follower.ends() == 0
    shut(postgres, own_postgres_url, False)


# From Python


def test_follow_gives_the_cues_of_replay(store: EventStore) -> None:
    frames = voice_call().frames
    store.append("sess", frames[:10])
    found: list[Cue] = []
    reader = threading.Thread(target=lambda: found.extend(store.follow("sess")))
    reader.start()
    for place in range(10, len(frames), 7):
        store.append("sess", frames[place : place + 7], close=place + 7 >= len(frames))
    reader.join(PATIENCE)
    assert not reader.is_alive()
    assert found == list(store.replay("sess")) and found


def test_follow_tells_a_call_of_gpt_live_that_is_over_as_replay_does(
    terminal: Terminal, store: EventStore
) -> None:
    for name, call in (("client", client_call()), ("decisions", decisions_call())):
        store.append(name, call.frames, close=True)
        assert list(store.follow(name)) == list(store.replay(name))
        told = terminal("state", name, "--follow").out
        assert told == replayed(terminal, name)


def test_follow_tells_the_words_said_last_in_a_silence(store: EventStore) -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 1500, "wait", "please")
    for _ in range(250):
        call.server("session.output_audio.delta", delta="")
    store.append("live", call.frames)
    for cue in store.follow("live"):
        if cue.kind == "backchannel":
            break
    assert (cue.text, cue.offset_ms) == ("wait please", 1500)


def test_a_view_that_is_ended_tells_nothing_more(store: EventStore) -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    store.append("live", say(call, "user", 1500, "wait").frames)
    stop = threading.Event()
    found = []
    for cue in store.follow("live", stopped=stop.is_set):
        found.append(cue)
        stop.set()
    assert [cue.kind for cue in found] == ["opened"]


def test_follow_ends_when_it_is_told_to(store: EventStore) -> None:
    store.append("sess", cut_off_call().frames)
    stop = threading.Event()
    found = []
    for cue in store.follow("sess", stopped=stop.is_set):
        found.append(cue)
        if cue.text == "to ":
            threading.Timer(0.3, stop.set).start()
    assert found == list(store.replay("sess"))


def test_follow_can_be_ended_between_two_cues(store: EventStore) -> None:
    store.append("sess", voice_call().frames)
    stop = threading.Event()
    found = []
    for cue in store.follow("sess", stopped=stop.is_set):
        found.append(cue)
        stop.set()
    first = next(iter(store.replay("sess")))
    assert found == [first]


def test_follow_says_at_once_that_there_is_no_session(store: EventStore) -> None:
    with pytest.raises(NotFoundError, match="no session nowhere"):
        store.follow("nowhere")
