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
    PAUSE_MS,
    SAID_PREFIX,
    SHORT_MS,
    SILENCE_MS,
    add_fragment,
    continues,
    is_backchannel,
    is_cut_off,
)
from eventstore.projection.live_state import LiveItem, Speaker

#: So many milliseconds of speech are shown in one piece while the other one speaks.
_PIECE_MS = 1000
_OTHER: dict[Speaker, Speaker] = {"user": "assistant", "assistant": "user"}


class Source(NamedTuple):
    """The event of a fragment.

    Attributes:
        seq: Its sequence number.
        at: When it arrived, in microseconds since 1970 UTC; None if unknown.
    """

    seq: int
    at: int | None


class Piece(NamedTuple):
    """Words to show, or what happened to them.

    Attributes:
        kind: `saying` for a piece of speech, `backchannel` for a short word beside the other one's,
            `said` for all words of an item that has ended, and `interrupted` for an item of the
            assistant that the user cut off.
        speaker: Who says it.
        text: The words.
        id: The id of the item that the words belong to.
        overlaps: True if the other one spoke meanwhile.
        start_ms: Where it begins on the session's timeline; None if that is unknown. For `said` and
            `interrupted` it is where the item ends.
        source: The fragment that made it so: of these words the last one.
    """

    kind: Literal["saying", "backchannel", "said", "interrupted"]
    speaker: Speaker
    text: str
    id: str
    overlaps: bool
    start_ms: int | None
    source: Source


@dataclass
class _Said:
    """What a speaker says now, or said last.

    Attributes:
        id, item: The item.
        last: The event of its last fragment.
        words: All its words, a string for each fragment.
        held, held_since: The words that are held back, and where they begin on the timeline.
        shown: True if a piece of it was shown.
        is_aside: True if all that was shown of it is a backchannel.
        cut_off_by: The fragment by which the user cut it off, as far as it is known; else None.
        has_ended: True if it was told that it has ended.
    """

    id: str
    item: LiveItem
    last: Source
    words: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    held_since: int | None = None
    shown: bool = False
    is_aside: bool = False
    cut_off_by: Source | None = None
    has_ended: bool = False

    @property
    def last_words(self) -> str:
        """Return the last fragment; empty if there is none."""
        return self.words[-1] if self.words else ""


class LiveSpeech:
    """Both speakers of a session, fed fragment by fragment."""

    def __init__(self) -> None:
        self._saying: dict[Speaker, _Said] = {}

    def fragment(
        self, speaker: Speaker, words: str, event: Source, start: int | None, end: int | None
    ) -> Iterator[Piece]:
        """Yield the pieces that can be shown after a speaker's fragment.

        Args:
            event: The fragment's event.
            start, end: Where it lies on the session's timeline, in milliseconds, if that is known.
        """
        if start is not None:
            yield from self.passes(start)
        said = self._saying.get(speaker)
        other = self._saying.get(_OTHER[speaker])
        beside = other.item if other is not None else None
        if said is None or not continues(said.item, said.last_words, beside, start):
            if said is not None:
                yield from self._end(said, speaker)
            said = _Said(f"{SAID_PREFIX}{event.seq}", LiveItem("speech"), event)
            self._saying[speaker] = said
        item, said.last, said.has_ended = said.item, event, False
        words = add_fragment(item, said.last_words, words, event.seq, (start, end))
        said.words.append(words)
        if said.held_since is None:
            said.held_since = start
        said.held.append(words)
        if not _meanwhile(item, beside, start):
            overlaps = other is not None and _speaks(other, start)
            yield from self._release(said, speaker, overlaps)
        elif end is not None and end - (said.held_since or 0) >= _PIECE_MS:
            yield from self._release(said, speaker, overlaps=True)
        if other is not None and start is None:
            yield from self._release(other, _OTHER[speaker])
        self._compare(event)

    def passes(self, moment_ms: float) -> Iterator[Piece]:
        """Yield what can be told at a moment of the timeline because a speaker is silent."""
        for speaker, said in self._saying.items():
            if said.item.end_ms is None or said.has_ended:
                continue
            if moment_ms >= said.item.end_ms + SILENCE_MS:
                yield from self._end(said, speaker)
            elif said.held and moment_ms >= said.item.end_ms + PAUSE_MS:
                yield from self._release(said, speaker)

    def ends(self) -> Iterator[Piece]:
        """Yield what was held back, because nothing more is said."""
        for speaker, said in self._saying.items():
            yield from self._end(said, speaker)

    def _compare(self, event: Source) -> None:
        """Note whether the user has cut the assistant off, after a fragment."""
        assistant, user = self._saying.get("assistant"), self._saying.get("user")
        if assistant is not None and user is not None:
            before = assistant.cut_off_by
            is_so = is_cut_off(before is not None, assistant.item, user.item)
            assistant.cut_off_by = (before or event) if is_so else None

    def _end(self, said: _Said, speaker: Speaker) -> Iterator[Piece]:
        """Yield what can be told when an item is whole: the next fragment does not continue it."""
        if said.has_ended:
            return
        yield from self._release(said, speaker)
        said.has_ended = True
        whole = "".join(said.words).strip()
        if whole and not said.is_aside:
            yield Piece("said", speaker, whole, said.id, False, said.item.end_ms, said.last)
        if (source := said.cut_off_by) is not None:
            yield Piece("interrupted", "user", "", said.id, False, said.item.end_ms, source)

    def _release(self, said: _Said, speaker: Speaker, overlaps: bool = False) -> Iterator[Piece]:
        """Yield the words that were held back."""
        if not said.held:
            return
        words, since = "".join(said.held), said.held_since
        said.held, said.held_since = [], None
        other = self._saying.get(_OTHER[speaker])
        short = other is not None and is_backchannel(said.item, other.item)
        said.is_aside = short and not said.shown
        if said.is_aside:
            yield Piece("backchannel", speaker, words.strip(), said.id, True, since, said.last)
        else:
            beside = short or (other is not None and _speaks(other, since))
            both = overlaps or beside
            yield Piece("saying", speaker, words, said.id, both, since, said.last)
        said.shown = True


def _meanwhile(item: LiveItem, other: LiveItem | None, start: int | None) -> bool:
    """Return True if the other one began earlier and has not ended before a fragment."""
    if other is None or start is None or item.start_ms is None:
        return False
    if other.start_ms is None or other.end_ms is None or other.start_ms >= item.start_ms:
        return False
    short = (item.length_ms() or 0) < SHORT_MS
    return other.end_ms > start or (short and other.end_ms >= start)


def _speaks(said: _Said, start: int | None) -> bool:
    """Return True if a speaker said something a moment before, or says it now.

    Whose words are held back has begun to speak beside the other one. It is not known yet that such
    a speaker stops at the end of the last fragment.
    """
    item = said.item
    if start is None or item.end_ms is None or item.start_ms is None:
        return False
    if said.held and item.start_ms <= start <= item.end_ms:
        return True
    return item.start_ms <= start < item.end_ms
