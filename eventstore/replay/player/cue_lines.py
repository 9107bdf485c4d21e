"""The lines of a replay: speech grows on its line until somebody else has the floor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from eventstore.replay.player.cues import Cue


class PlacedCue(NamedTuple):
    """A cue on its line.

    Attributes:
        line: the line's number, from 0.
        again: the line goes on with speech that began on an earlier one.
    """

    cue: Cue
    line: int
    again: bool


def placed_cues(cues: Iterable[Cue]) -> Iterator[PlacedCue]:
    """Yield each cue on its line; turns whose speech came piece by piece are not said again."""
    line = -1
    speaking: str | None = None
    streamed: set[str] = set()
    again = False
    for cue in cues:
        key = f"{cue.speaker}/{cue.id}"
        if cue.kind == "said" and key in streamed:
            continue
        if cue.kind != "saying":
            line, speaking, again = line + 1, None, False
        elif key != speaking:
            line, speaking, again = line + 1, key, key in streamed
            streamed.add(key)
        yield PlacedCue(cue, line, again)
