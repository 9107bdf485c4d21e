"""Group fragments of transcripts into items, and tell short words from turns. Pure.

GPT-Live has no turns: the server sends fragments of what the user and the assistant say, with their
times on the session's timeline, and both may speak at once. Called by speech.py. The rule is
written down for users in docs/resources.md.
"""

from __future__ import annotations

from eventstore.projection.live_state import LiveItem
from eventstore.realtime.text.scripts import is_unspaced

#: A fragment that begins sooner after its speaker's item continues it, whatever the other one says.
PAUSE_MS = 500
#: A fragment that begins later after its speaker's item begins a new one.
SILENCE_MS = 2000
#: Shorter words are a backchannel, such as "mhm", if the other one goes on meanwhile.
SHORT_MS = 1000
#: An assistant that ends so long after the user begins was interrupted. Less is the usual overlap
#: of two turns.
OVERLAP_MS = 200
#: How the ids begin that the store makes for items of speech.
SAID_PREFIX = "item_said_"
#: How many fragments an item has at most.
MOST_FRAGMENTS = 500

_ENDS_OF_SENTENCES = frozenset(".!?…。！？｡؟।॥")


def continues(said: LiveItem, text: str, other: LiveItem | None, start_ms: int | None) -> bool:
    """Return True if a fragment continues its speaker's last item, and False if it begins one.

    Args:
        said: The speaker's last item.
        text: What it says at its end.
        other: The other speaker's last item, if there is one.
        start_ms: Where the fragment begins on the session's timeline, or None if that is unknown.
    """
    if said.fragments >= MOST_FRAGMENTS:
        return False
    if start_ms is None or said.start_ms is None or said.end_ms is None:
        return other is None or other.last_seq < said.last_seq
    if start_ms < said.start_ms:
        return False  # the timeline began again
    pause = start_ms - said.end_ms
    if pause < PAUSE_MS:
        return True
    if pause >= SILENCE_MS:
        return False
    if other is None or other.end_ms is None or other.end_ms <= said.end_ms:
        return True
    return is_short(other) and not _ends_sentence(text)


def add_fragment(
    said: LiveItem, before: str, fragment: str, seq: int, span: tuple[int | None, int | None]
) -> str:
    """Extend an item by a fragment, and return the fragment with the space that it may lack.

    Args:
        said: The item, which is changed.
        before: The fragment before it in the item; empty if there is none.
        fragment: The words.
        seq: The fragment's event.
        span: Where it lies on the session's timeline; both ends are None if that is unknown.
    """
    start_ms, end_ms = span
    is_apart = start_ms is not None and said.end_ms is not None and start_ms > said.end_ms
    if start_ms is not None and end_ms is not None:
        said.start_ms = start_ms if said.start_ms is None else min(said.start_ms, start_ms)
        said.end_ms = end_ms if said.end_ms is None else max(said.end_ms, end_ms)
    said.fragments += 1
    said.last_seq = seq
    return f" {fragment}" if before and is_apart and _lacks_space(before, fragment) else fragment


def _ends_sentence(text: str) -> bool:
    stripped = text.rstrip().rstrip("\"'”’»)")
    return bool(stripped) and stripped[-1] in _ENDS_OF_SENTENCES


def _lacks_space(before: str, fragment: str) -> bool:
    """Return True if two fragments with a pause between them lack the space between two words."""
    last, first = before[-1], fragment[0]
    if last.isspace() or not first.isalnum():
        return False
    return not is_unspaced(first) and not is_unspaced(last)


def is_short(said: LiveItem) -> bool:
    """Return True if an item is as short as a backchannel."""
    length = said.length_ms()
    return length is not None and length < SHORT_MS


def is_backchannel(said: LiveItem, other: LiveItem) -> bool:
    """Return True if an item is short, and the other speaker's item begins before and goes on.

    What the other speaker begins to say after the item's end tells nothing about it.
    """
    if _is_over(said, other):
        return said.backchannel
    if said.start_ms is None or said.end_ms is None or not is_short(said):
        return False
    if other.start_ms is None or other.end_ms is None:
        return False
    return other.start_ms < said.start_ms and said.end_ms < other.end_ms


def is_interrupted(assistant: LiveItem, user: LiveItem) -> bool:
    """Return True if the user began while the assistant spoke, and the assistant ended first."""
    times = (assistant.start_ms, assistant.end_ms, user.start_ms, user.end_ms)
    start, end, began, ended = times
    if start is None or end is None or began is None or ended is None:
        return False
    return start < began and began + OVERLAP_MS < end <= ended


def is_cut_off(before: bool, assistant: LiveItem, user: LiveItem) -> bool:
    """Return True if what the assistant said last is interrupted, after another fragment.

    It is undone if the assistant goes on. What the user begins to say after the end of the
    assistant's words tells nothing about them.

    Args:
        before: True if it was interrupted before the fragment.
        assistant: What the assistant said last.
        user: What the user said last.
    """
    return before if _is_over(assistant, user) else is_interrupted(assistant, user)


def _is_over(said: LiveItem, other: LiveItem) -> bool:
    """Return True if the other speaker's item begins after the end of an item."""
    if said.end_ms is None or other.start_ms is None:
        return False
    return said.end_ms <= other.start_ms


def waited_ms(user: LiveItem, start_ms: int | None) -> int | None:
    """Return how long the assistant was silent after the user's last word, or None if unknown.

    An answer that begins while the user still speaks has no such time. Times are told in steps of
    a fragment's length, so that a small overlap counts as no wait.

    Args:
        user: What the user said last.
        start_ms: Where the assistant begins on the session's timeline.
    """
    if user.backchannel or user.end_ms is None or start_ms is None:
        return None
    waited = start_ms - user.end_ms
    return max(0, waited) if waited >= -OVERLAP_MS else None
