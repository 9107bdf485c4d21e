"""Turn what both speakers of a GPT-Live session say at once into pieces that can be read. Pure.

Fragments of a transcript have one or two words, and those of both speakers come interleaved. Who
spoke first has each fragment shown at once. The words of the other one are held back for a moment,
until they are a backchannel, or enough to be read. Called by live_cues.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from eventstore.projection.live.turns import (
    OVERLAP_MS,
    PAUSE_MS,
    SAID_PREFIX,
    SHORT_MS,
    add_fragment,
    continues,
    is_backchannel,
)
from eventstore.projection.live_state import LiveItem, Speaker

#: So many milliseconds of speech are shown in one piece while the other one speaks.
_PIECE_MS = 1000
_OTHER: dict[Speaker, Speaker] = {"user": "assistant", "assistant": "user"}


class Piece(NamedTuple):
    """Words to show.

    Attributes:
        kind: `saying` for a piece of speech, `backchannel` for a short word beside the other one's.
        speaker: Who says it.
        text: The words.
        id: The id of the item that the words belong to.
        overlaps: True if the other one spoke meanwhile.
        start_ms: Where the words begin on the session's timeline; None if that is unknown.
    """

    kind: Literal["saying", "backchannel"]
    speaker: Speaker
    text: str
    id: str
    overlaps: bool
    start_ms: int | None


@dataclass
class _Said:
    """What a speaker says now: an item, its last words, and the words that are held back."""

    id: str
    item: LiveItem
    text: str = ""
    held: list[str] = field(default_factory=list)
    held_since: int | None = None
    shown: bool = False


class LiveSpeech:
    """Both speakers of a session, fed fragment by fragment."""

    def __init__(self) -> None:
        self._saying: dict[Speaker, _Said] = {}
        self._cut_off = ""

    def fragment(
        self, speaker: Speaker, words: str, seq: int, start: int | None, end: int | None
    ) -> Iterator[Piece]:
        """Yield the pieces that can be shown after a speaker's fragment.

        Args:
            start, end: Where it lies on the session's timeline, in milliseconds, if that is known.
        """
        said = self._saying.get(speaker)
        other = self._saying.get(_OTHER[speaker])
        beside = other.item if other is not None else None
        if said is None or not continues(said.item, said.text, beside, start):
            if said is not None:
                yield from self._release(said, speaker)
            said = self._saying[speaker] = _Said(f"{SAID_PREFIX}{seq}", LiveItem("speech"))
        item = said.item
        said.text = words = add_fragment(item, said.text, words, seq, (start, end))
        if said.held_since is None:
            said.held_since = start
        said.held.append(words)
        if not _meanwhile(item, beside, start):
            yield from self._release(
                said, speaker, other is not None and _speaks(other.item, start)
            )
        elif end is not None and end - (said.held_since or 0) >= _PIECE_MS:
            yield from self._release(said, speaker, overlaps=True)
        if other is not None and other.held and _has_paused(other.item, start):
            yield from self._release(other, _OTHER[speaker])

    def passes(self, moment_ms: float) -> Iterator[Piece]:
        """Yield the words that were held back, and whose speaker is silent at a moment."""
        for speaker, said in self._saying.items():
            if said.held and _has_paused(said.item, moment_ms):
                yield from self._release(said, speaker)

    def ends(self) -> Iterator[Piece]:
        """Yield all words that were held back."""
        for speaker, said in self._saying.items():
            yield from self._release(said, speaker)

    def interrupted(self, speaker: Speaker, start: int | None) -> str | None:
        """Return the id of what the assistant said if a fragment shows that the user cut it off.

        It is told once: when the user goes on, and the assistant does not.
        """
        user, assistant = self._saying.get("user"), self._saying.get("assistant")
        if speaker != "user" or user is None or assistant is None or start is None:
            return None
        told = (assistant.item.start_ms, assistant.item.end_ms, user.item.start_ms)
        begin, end, began = told
        if begin is None or end is None or began is None or assistant.id == self._cut_off:
            return None
        if begin < began and began + OVERLAP_MS < end and start >= end + OVERLAP_MS:
            self._cut_off = assistant.id
            return assistant.id
        return None

    def _release(self, said: _Said, speaker: Speaker, overlaps: bool = False) -> Iterator[Piece]:
        if not said.held:
            return
        words, since = "".join(said.held), said.held_since
        said.held, said.held_since = [], None
        other = self._saying.get(_OTHER[speaker])
        short = other is not None and is_backchannel(said.item, other.item)
        if short and not said.shown:
            yield Piece("backchannel", speaker, words.strip(), said.id, True, since)
        else:
            beside = short or (other is not None and _speaks(other.item, since))
            yield Piece("saying", speaker, words, said.id, overlaps or beside, since)
        said.shown = True


def _meanwhile(item: LiveItem, other: LiveItem | None, start: int | None) -> bool:
    """Return True if the other one began earlier and has not ended before a fragment."""
    if other is None or start is None or item.start_ms is None:
        return False
    if other.start_ms is None or other.end_ms is None or other.start_ms >= item.start_ms:
        return False
    short = (item.length_ms() or 0) < SHORT_MS
    return other.end_ms > start or (short and other.end_ms >= start)


def _speaks(item: LiveItem, start: int | None) -> bool:
    """Return True if a speaker said something a moment before, or says it now."""
    if start is None or item.end_ms is None or item.start_ms is None:
        return False
    return item.start_ms <= start < item.end_ms


def _has_paused(item: LiveItem, moment_ms: float | None) -> bool:
    return moment_ms is None or item.end_ms is None or moment_ms >= item.end_ms + PAUSE_MS
