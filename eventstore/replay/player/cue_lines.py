"""Place cues on lines: what is said in parts stays on one line until another speaker begins.

Called by playhead.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from eventstore.replay.player.cue import Cue


class PlacedCue(NamedTuple):
    """A cue and the line that it stands on.

    Attributes:
        cue: The cue.
        line: The number of the line, from 0.
        again: True if the line continues a text that began on an earlier line. It is never true
            after both speakers have spoken at once, because it would not tell who goes on.
    """

    cue: Cue
    line: int
    again: bool


def placed_cues(cues: Iterable[Cue]) -> Iterator[PlacedCue]:
    """Yield each cue with its line. A `said` cue is left out if its text came in parts before."""
    line = -1
    speaking: str | None = None
    streamed: set[str] = set()
    again = both = False
    for cue in cues:
        key = f"{cue.speaker}/{cue.id}"
        both = both or cue.overlaps
        if cue.kind == "said" and key in streamed:
            continue
        if cue.kind != "saying":
            line, speaking, again = line + 1, None, False
        elif key != speaking:
            line, speaking, again = line + 1, key, key in streamed
            streamed.add(key)
            # A fragment may begin with the space that parts it from the one before.
            cue = cue._replace(text=cue.text.lstrip())
        yield PlacedCue(cue, line, again and not both)
