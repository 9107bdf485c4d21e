"""Prints the cues of a replay: for each its time, who speaks or what happens, and the words.

Called by the commands `replay` and `state --follow`, and by `player_rows.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from eventstore.cli.terminal.output import clean
from eventstore.replay.player.cue import Cue
from eventstore.replay.player.cue_lines import PlacedCue, placed_cues
from eventstore.times import to_iso

STYLES = {
    "user": "bold cyan",
    "assistant": "bold green",
    "aside": "bold magenta",
    "tool": "bold yellow",
    "system": "bold blue",
    "backend": "yellow",
}
_MARKS = {
    "opened": ("●", "dim"),
    "closed": ("■", "dim"),
    "metadata": ("#", "dim"),
    "scored": ("#", "dim"),
    "interrupted": ("✂", "bold red"),
    "truncated": ("✂", "red"),
    "response_ended": ("!", "red"),
    "deleted": ("-", "red"),
    "error": ("!", "bold red"),
    "unreadable": ("?", "red"),
}
_NAMES = {"tool_call": "calls", "tool_result": "tool"}
# In GPT-Live sessions, the names of cues that are not speech, and the styles of these names.
_LIVE_NAMES = {"delegation": "delegates", "decision": "decides", "context": "app"}
_LIVE_STYLES = dict.fromkeys(_LIVE_NAMES, STYLES["tool"]) | {"context": STYLES["system"]}
#: How many characters the time at the beginning of a line has.
CLOCK_WIDTH = 10
#: Stands before who speaks while the other one speaks as well.
_BOTH = "‖"


def play(out: Console, cues: Iterable[Cue], stream: bool) -> bool:
    """Print cues when the iterator yields them.

    Args:
        out: the console.
        cues: the cues, in order.
        stream: print each piece of speech at once, not line by line.

    Returns:
        True if any cue had a time.
    """
    line: Text | None = None
    number = -1
    timed = False
    for piece in placed_cues(cues):
        timed = timed or piece.cue.offset_ms is not None
        if line is not None and piece.line != number:
            out.print("" if stream else line, soft_wrap=True)
            line = None
        said = words(piece.cue)
        if line is None:
            said = label(piece) + said
        if piece.cue.kind != "saying":
            out.print(said, soft_wrap=True)
            continue
        if stream:
            out.print(said, end="", soft_wrap=True)
        line = said if line is None else line.append_text(said)
        number = piece.line
    if line is not None:
        out.print("" if stream else line, soft_wrap=True)
    return timed


def cue_json(cue: Cue) -> dict[str, Any]:
    """Return a cue for `--json`."""
    told = cue._asdict() | {"at": to_iso(cue.at)}
    if not cue.overlaps:
        del told["overlaps"]  # which only GPT-Live sessions have
    return told


def words(cue: Cue) -> Text:
    """Return the words that a cue adds to its line."""
    if cue.kind == "speaking":
        return Text("speaks …", "dim")
    said = Text(clean(cue.text))
    if cue.kind == "context":
        said = Text(clean(f"{cue.speaker}: ")) + said
    if cue.kind in ("backchannel", "backend"):
        aside = "backchannel" if cue.kind == "backchannel" else "not said"
        said.append(f" [{aside}]", "dim italic")
    return said


def label(piece: PlacedCue) -> Text:
    """Return the beginning of a line: its time, and who speaks or what happened."""
    return Text().append(clock(piece.cue.offset_ms), style="dim") + name(piece)


def name(piece: PlacedCue) -> Text:
    """Return who speaks or what happened, with a space at the end."""
    cue = piece.cue
    mark = _MARKS.get(cue.kind)
    if cue.kind == "moment":
        return Text("· ", "dim")
    if mark is not None:
        return Text(f"{mark[0]} {cue.kind.replace('_', ' ')} ", style=mark[1])
    # What is given to a backend names the role as well, which has no room here.
    speaker = (cue.speaker or "").partition(":")[0]
    shown = clean((_NAMES | _LIVE_NAMES).get(cue.kind, speaker))
    if cue.overlaps:
        shown = f"{_BOTH}{shown}"
    elif piece.again:
        shown = "…"
    style = _LIVE_STYLES.get(cue.kind) or STYLES.get(speaker, "bold")
    return Text(f"{shown:<10} ", style=style)


def clock(offset_ms: float | None) -> str:
    """Return a moment as minutes and seconds, such as `  1:02.5  `, ten characters wide.

    Args:
        offset_ms: milliseconds since the session's first event; None if unknown, for spaces.
    """
    if offset_ms is None:
        return " " * CLOCK_WIDTH
    tenths = max(0, round(offset_ms / 100))
    return f"{tenths // 600:>3}:{tenths % 600 / 10:04.1f}  "
