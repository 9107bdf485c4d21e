"""The rows that the terminal player draws on its screen. Pure.

Called by `terminal_player.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from eventstore.cli.terminal.cues import CLOCK_WIDTH, clock, label, name, words
from eventstore.cli.terminal.output import printed_rows
from eventstore.cli.terminal.state import print_conversations
from eventstore.replay.player.cue_lines import PlacedCue
from eventstore.replay.player.playhead import Playhead

#: The column at which words begin: on a line on which somebody speaks, and on other lines.
_SPOKEN, _TOLD = CLOCK_WIDTH + 11, CLOCK_WIDTH
_NARROW = 40
_KEYS = (
    "space pause",
    "←→ step",
    "↑↓ speed",
    "n/p turn",
    "e error",
    "i interruption",
    "g go to",
    "s state",
    "? help",
    "q quit",
)
_WITH_TIMES = ("space", "↑↓", "g ")
HELP = """
  space     pause, and go on
  → ←       pause a piece further, or a piece back
  ↑ ↓ + -   twice or half as fast
  n p       next and previous turn, of the user or the assistant
  e         next error
  i         next interruption
  g         go to a moment: seconds (12.5) or minutes (1:05), and Enter
  s         the state of the conversation here
  ?         this help
  q Ctrl-C  quit

  Any key goes back.
"""


def transcript_rows(head: Playhead, console: Console, height: int) -> list[Text]:
    """Return the last rows of the conversation up to the playhead.

    Args:
        head: the playhead.
        console: the console, whose width counts.
        height: how many rows to return at most.
    """
    rows: list[Text] = []
    shown = head.track.pieces
    end = head.position
    while end and len(rows) < height:
        begin = end - 1
        while begin and shown[begin - 1].line == shown[end - 1].line:
            begin -= 1
        rows[:0] = _line_rows(shown[begin:end], console)
        end = begin
    return rows[max(0, len(rows) - height) :]


def _line_rows(line: Sequence[PlacedCue], console: Console) -> list[Text]:
    """Return a line's rows, folded at the column at which its words begin."""
    first, width = line[0], console.width
    said = Text().join(words(piece.cue) for piece in line)
    spoken = len(name(first)) == _SPOKEN - _TOLD and first.cue.speaker is not None
    indent = _SPOKEN if spoken else _TOLD
    if width < _NARROW:
        return list((label(first) + said).wrap(console, max(1, width), overflow="fold"))
    beginning = label(first) if spoken else Text(clock(first.cue.offset_ms), "dim")
    told = said if spoken else name(first) + said
    # One column stays free, because terminals draw some characters wider than rich counts them.
    folded = list(told.wrap(console, width - indent - 1, overflow="fold")) or [Text()]
    return [
        beginning + row if number == 0 else Text(" " * indent) + row
        for number, row in enumerate(folded)
    ]


def state_rows(shown: Mapping[str, Any] | None, console: Console, height: int) -> list[Text]:
    """Return the rows of a session's state: its first two lines, and its last items.

    Args:
        shown: the result of `EventStore.state`; None if nothing has happened yet.
        console: the console, whose width counts.
        height: how many rows to return at most.
    """
    if shown is None:
        return [Text("Nothing has happened yet. Any key goes back.")]
    rows = printed_rows(lambda: print_conversations(shown), console)
    # The first two lines are the session's name and numbers.
    if len(rows) > height:
        rows = [*rows[:2], Text("…", "dim"), *rows[len(rows) - max(0, height - 3) :]]
    return rows[:height]


def help_rows() -> list[Text]:
    """Return the rows that explain the keys."""
    return [Text(line) for line in HELP.strip("\n").split("\n")]


def status_line(head: Playhead, note: str, width: int) -> str:
    """Return the playhead's position, and as many keys as there is room for.

    Args:
        head: the playhead.
        note: a text to show instead of the keys; empty for the keys.
        width: how many columns the screen has.
    """
    track = head.track
    event = f"event {track.pieces[head.position - 1].cue.seq if head.position else 0}"
    if track.timed:
        doing = "playing" if head.playing else "end" if head.at_end else "paused"
        time = f"{clock(head.moment_ms).strip()} / {clock(track.total_ms).strip()}"
        parts = [doing, time, event, f"{head.speed:g}×"]
    else:
        parts = ["no times: step only", f"{head.position} / {len(track.pieces)}", event]
    where = " · ".join(parts)
    beginning = f" {where}  "
    return beginning + (note or _keys(head, room=width - len(beginning) - 1))


def _keys(head: Playhead, room: int) -> str:
    """Return as many keys as there is room for. The last two, help and quit, are kept longest."""
    keys = [key for key in _KEYS if head.track.timed or not key.startswith(_WITH_TIMES)]
    while keys and len("  ".join(keys)) > room:
        del keys[max(0, len(keys) - 3)]
    told = "  ".join(keys)
    return told if head.playing else told.replace("space pause", "space play")
