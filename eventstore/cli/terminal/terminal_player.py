"""The interactive player of the command `replay --interactive`: its view, its keys and its loop."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from eventstore.cli.terminal.drawing import Drawing, full_screen
from eventstore.cli.terminal.keys import read_keys
from eventstore.cli.terminal.output import console, one_line
from eventstore.cli.terminal.player_rows import help_rows, state_rows, status_line, transcript_rows
from eventstore.cli.terminal.raw_terminal import RawTerminal
from eventstore.errors import EventStoreError
from eventstore.replay.player import playhead
from eventstore.replay.player.cue import Cue
from eventstore.replay.player.playhead import Playhead

#: While playing, the longest and the shortest time between two drawings, in seconds.
_TICK, _FRAME = 0.1, 0.03
#: How long the rest of a key's bytes may take, in seconds.
_KEY_SECONDS = 0.1
_NO_TIMES = "recorded without times: step with → ←, n p"
_MOMENT = re.compile(r"(?:(\d{1,6}):)?(\d{1,9}(?:\.\d{0,6})?)")

State = Mapping[str, Any] | None


@dataclass(frozen=True)
class View:
    """What the player shows.

    Attributes:
        head: the playhead.
        page: the call, or a page that covers it until a key is pressed; `left` after q.
        state: the result of `EventStore.state`, if the page shows it.
        resume: True if the player plays on when the page is the call again.
        entry: the typed characters of a moment to go to; None if none is being typed.
        note: a remark about the last key; empty for none.
    """

    head: Playhead
    page: Literal["call", "help", "state", "left"] = "call"
    state: State = None
    resume: bool = False
    entry: str | None = None
    note: str = ""


def play_interactively(
    cues: Iterable[Cue], speed: float, state_at: Callable[[int], Mapping[str, Any]]
) -> None:
    """Replay a session on the terminal until its viewer quits.

    Args:
        cues: the session's cues, in order.
        speed: the speed at the beginning; 1 for the session's own pace.
        state_at: returns the session's state at a seq.
    """
    played = playhead.cue_track(cues)
    screen = RawTerminal()
    with suppress(KeyboardInterrupt), screen.taken():
        drawing = Drawing(screen, console())
        view = View(playhead.start(played, time.monotonic(), speed))
        rest = b""
        while view.page != "left":
            width, height = drawing.size()
            drawing.draw(_rows(view, drawing.console, width, height))
            data, stop = screen.wait(_KEY_SECONDS if rest else _wait_seconds(view))
            now = time.monotonic()
            if data is None:
                return
            if stop:
                view = _suspended(screen, view, now)
                continue
            keys, rest = read_keys(rest + data, whole=not data)
            view = replace(view, head=playhead.advance(view.head, now))
            for key in keys:
                view = press(view, key, now, state_at)


def _wait_seconds(view: View) -> float | None:
    due = playhead.due_in(view.head)
    return None if due is None else max(_FRAME, min(_TICK, due))


def _suspended(screen: RawTerminal, view: View, now: float) -> View:
    """Suspend the process as a shell's job. The playhead is paused meanwhile."""
    head = playhead.pause(view.head, now)
    playing = view.head.playing
    screen.suspend()
    now = time.monotonic()
    return replace(view, head=playhead.play(head, now) if playing else head)


def press(view: View, key: str, now: float, state_at: Callable[[int], Mapping[str, Any]]) -> View:
    """Return the view after a key was pressed.

    Args:
        view: the view before.
        key: the key's name, from `read_keys`.
        now: the clock's time, in seconds.
        state_at: returns the session's state at a seq.
    """
    if view.page != "call":
        head = playhead.play(view.head, now) if view.resume else view.head
        return View(head)
    if view.entry is not None:
        return _typed(view, key, now)
    view = replace(view, note="")
    if key in _MOVES:
        return _moved(view, key, now)
    if key in _JUMPS:
        return _jumped(view, key, now)
    if key == "q":
        return replace(view, page="left")
    if key == "?":
        return _covered(view, now, "help")
    if key == "s":
        return _state(view, now, state_at)
    if key == "g":
        timed = view.head.track.timed
        return replace(view, entry="") if timed else replace(view, note=_NO_TIMES)
    return view


_MOVES: dict[str, Callable[[Playhead, float], Playhead]] = {
    "space": playhead.toggle,
    "right": lambda head, now: playhead.step(head, 1, now),
    "left": lambda head, now: playhead.step(head, -1, now),
    "up": playhead.faster,
    "+": playhead.faster,
    "=": playhead.faster,  # the same key, without shift
    "down": playhead.slower,
    "-": playhead.slower,
    "p": playhead.previous_turn,
}
_NEEDS_TIMES = {"space", "up", "+", "=", "down", "-"}
_JUMPS = {"n": "turns", "e": "errors", "i": "interruptions"}


def _moved(view: View, key: str, now: float) -> View:
    if key in _NEEDS_TIMES and not view.head.track.timed:
        return replace(view, note=_NO_TIMES)
    return replace(view, head=_MOVES[key](view.head, now))


def _jumped(view: View, key: str, now: float) -> View:
    kind = _JUMPS[key]
    head = playhead.next_of(view.head, getattr(view.head.track, kind), now)
    if head is None:
        return replace(view, note=f"no {kind.removesuffix('s')} ahead")
    return replace(view, head=head)


def _typed(view: View, key: str, now: float) -> View:
    """Return the view after a key was pressed while a moment is being typed."""
    entry = view.entry or ""
    if key == "enter":
        given = _MOMENT.fullmatch(entry)
        if given is None:
            note = f"{entry} is no moment: use 12.5 or 1:05" if entry else ""
            return replace(view, entry=None, note=note)
        seconds = 60 * int(given[1] or 0) + float(given[2])
        return replace(view, entry=None, head=playhead.seek(view.head, seconds * 1000, now))
    if key == "backspace" and entry:
        return replace(view, entry=entry[:-1])
    if key in ("escape", "backspace", "q", "g"):
        return replace(view, entry=None)
    return replace(view, entry=(entry + key)[:16]) if key and key in "0123456789.:" else view


def _covered(view: View, now: float, page: Literal["help", "state"], state: State = None) -> View:
    head = playhead.advance(view.head, now)
    return View(playhead.pause(head, now), page, state, resume=head.playing)


def _state(view: View, now: float, state_at: Callable[[int], Mapping[str, Any]]) -> View:
    head = playhead.advance(view.head, now)
    if not head.position:
        return _covered(view, now, "state")
    try:
        state = state_at(head.track.pieces[head.position - 1].cue.seq)
    except EventStoreError as error:
        return replace(view, note=one_line(error))
    return _covered(view, now, "state", state)


def _rows(view: View, out: Console, width: int, height: int) -> list[Text]:
    """Return all rows of the screen, with the status line as the last."""
    room = height - 1
    if view.page == "help":
        rows = help_rows()
    elif view.page == "state":
        rows = state_rows(view.state, out, room)
    else:
        rows = transcript_rows(view.head, out, room)
    note = view.note
    if view.page != "call":
        note = "any key goes back"
    elif view.entry is not None:
        note = f"go to: {view.entry}_"
    return full_screen(rows, status_line(view.head, note, width), width, height)
