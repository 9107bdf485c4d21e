"""Mask the frames of a session in order, including secrets that are split over several deltas.

Called by recordings that are redacted, by exports and by replays. Each delta of a text, or of a
tool's arguments, is searched together with the text before it, also if it is within an event of
GPT-Live. So is each word of a transcript whose words come with their times. No frame is held back.
So a few first characters of a key that only its shape tells may pass before it is recognised. Pure.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from eventstore.realtime.frames import parse
from eventstore.realtime.live_catalogue import NESTING_TYPE
from eventstore.realtime.masking.mask import Masked, mask_frame, replace_member, secret_spans
from eventstore.realtime.masking.secret_names import REMOVED, SecretSpan, normalized_name
from eventstore.realtime.masking.secrets import (
    ASSIGNED,
    QUOTED,
    begun_at_end,
    closing_quote,
    is_assigned_secret,
)
from eventstore.realtime.values import mapping
from eventstore.realtime.values import text as text_of

# The members that tell to which text a delta belongs.
_STREAM_NAMES = ("type", "response_id", "item_id", "content_index", "output_index")
# Events that have some words of a transcript with their times, in the member `text`.
_WORD_EVENTS = frozenset(
    {
        "response.audio_timestamp.delta",
        "conversation.item.input_audio_transcription.segment",
    }
)
# The most texts that are streamed at once, and how many characters of each are searched again.
_MOST, _TAIL, _CONTEXT = 64, 1500, 200
# A long frame with `audio.delta` near its beginning is audio.
_LONG, _HEAD = 2000, 400
# The longest text that ends a secret: an escaped quote.
_MARK = 16
_BRACKETS = {"{": "}", "[": "]"}


class SessionMask:
    """Masks the frames of one session. They must be given in their order."""

    def __init__(self) -> None:
        self._streamed: OrderedDict[tuple[str, ...], _Streamed] = OrderedDict()

    def mask(self, text: str | bytes) -> Masked:
        """Mask the secrets of the next frame, and of its delta (see `mask_frame`)."""
        masked = mask_frame(text)
        if not isinstance(text, str) or not isinstance(masked.text, str):
            return masked
        is_streamed = '.delta"' in text or '.segment"' in text
        if not is_streamed or (len(text) > _LONG and "audio.delta" in text[:_HEAD]):
            return masked
        outer = parse(text) or {}
        within = "event" if outer.get("type") == NESTING_TYPE else None
        event = outer if within is None else mapping(outer.get(within))
        if str(event.get("type")).endswith("audio.delta"):
            return masked
        is_word = str(event.get("type")) in _WORD_EVENTS
        member = "text" if is_word else "delta"
        piece = text_of(event.get(member))
        if not piece:
            return masked
        key = (*(str(event.get(name)) for name in _STREAM_NAMES), str(outer.get("delegation_id")))
        is_secret = self._of(key).feed(piece)
        if is_word:
            # Words have no spaces around them, and a key may be told as several words.
            is_secret |= self._of((*key, " ")).feed(f"{piece} ")
        if not is_secret:
            return masked
        clean = replace_member(masked.text, member, REMOVED, within)
        return Masked(clean, max(1, masked.secrets))

    def _of(self, key: tuple[str, ...]) -> _Streamed:
        found = self._streamed.pop(key, None) or _Streamed()
        self._streamed[key] = found
        if len(self._streamed) > _MOST:
            self._streamed.popitem(last=False)
        return found


class _Streamed:
    """The end of a text that comes in deltas, and a secret in it that has not ended yet."""

    def __init__(self) -> None:
        self._tail = ""
        self._kept = ""  # the last characters of the open secret
        self._ends: re.Pattern[str] | None = None  # an expression for the end of the open secret
        self._depth = 0  # the depth of brackets, if the open secret is a whole container

    def feed(self, piece: str) -> bool:
        """Add the next delta, and return True if some of it is secret."""
        begin = 0
        if self._ends is not None:
            kept = len(self._kept)
            end = self._end_of(self._kept + piece, 0, kept)
            if end < 0:
                self._kept = (self._kept + piece)[-_MARK:]
                return True
            begin = max(0, end - kept)
            self._tail = ""
        text, base = self._tail + piece[begin:], len(self._tail)
        spans = secret_spans(text)
        touched = any(stop > base for _, stop in [*spans, *begun_at_end(text)])
        touched = self._look(text, base) or touched
        self._tail = _shortened(text, spans)
        return touched or begin > 0

    def _end_of(self, text: str, start: int, known: int) -> int:
        """Return the end of the open secret, or -1 if the secret continues behind the text.

        Args:
            text: The text.
            start: The place from which to search.
            known: Matches that end before this place were seen in an earlier delta.
        """
        assert self._ends is not None  # noqa: S101
        for found in self._ends.finditer(text, start):
            if found.end() <= known:
                continue
            if self._depth and found[0] in _BRACKETS:
                self._depth += 1
                continue
            self._depth = max(0, self._depth - 1)
            if not self._depth:
                self._ends = None
                return found.start()
        return -1

    def _look(self, text: str, base: int) -> bool:
        """Search for quoted values and containers that are secret, and keep one that is open.

        Return True if one of them reaches behind `base`, the start of the new delta.
        """
        place, touched = 0, False
        while (found := ASSIGNED.search(text, place)) is not None:
            place = found.end()
            is_headers = normalized_name(found[1]).endswith("headers")
            if not (is_headers or is_assigned_secret(text, found)):
                continue
            quote = QUOTED.match(text, place)
            opening = text[place : place + 1]
            if quote is not None:
                self._ends = closing_quote(quote[0])
                place = quote.end()
                if self._ends is None:
                    continue
            elif opening in _BRACKETS:
                self._ends, self._depth = re.compile(r"[{}\[\]]"), 1
                place += 1
            else:
                continue
            start, place = place, self._end_of(text, place, place)
            if place < 0:
                self._kept = text[max(start, len(text) - _MARK) :]
                return touched or len(text) > max(base, start)
            touched = touched or place > max(base, start)
        return touched


def _shortened(text: str, spans: list[SecretSpan]) -> str:
    """Return the end of a text to search with the next delta, with the start of an open secret."""
    if len(text) <= _TAIL:
        return text
    begin = spans[-1][0] if spans and spans[-1][1] == len(text) else len(text)
    if max(0, begin - _CONTEXT) >= len(text) - _TAIL:
        return text[-_TAIL:]
    return text[max(0, begin - _CONTEXT) : begin + _CONTEXT] + text[-_CONTEXT:]
