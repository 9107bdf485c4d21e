"""`Outbox`: spans that wait to be taken by a collector, and how many of them are offered at once.

It decides after each answer what is offered next, so that spans that are too much for a collector,
or that it fails at, stop no others. Called by traces.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Iterable
from itertools import islice
from typing import NamedTuple

from eventstore.errors import EventStoreError
from eventstore.exports.otel.otlp_http import Endpoint, Outcome
from eventstore.exports.otel.otlp_json import BATCH
from eventstore.exports.otel.spans import Span

_LOGGER = logging.getLogger("eventstore.traces")
#: About how many characters are offered at once; a larger span is offered alone.
_MOST_TEXT = 4_000_000
#: The first and the longest pause before spans are offered again that were not taken, in seconds,
#: and the longest one if the collector asks for it.
FIRST_PAUSE, MOST_PAUSE, MOST_WAIT = 0.5, 15.0, 300.0
#: How often a span fails alone, while another one is taken, before it is left out.
MOST_ALONE = 5

#: The ids of a span and of its trace.
_Key = tuple[bytes, bytes]


class _Waiting(NamedTuple):
    """A span that waits, its session, and how many characters its texts have."""

    span: Span
    session_id: str
    text: int


class Outbox:
    """Spans for one collector, in the order in which they came.

    Args:
        endpoint: The collector.
        once: True if nobody waits until the collector takes them.

    Attributes:
        sent: How many spans were taken.
        refused: How many spans the collector will never take.
        failed: How often it took nothing.
        is_failing: True if it took nothing when it was asked last.
        is_stopped: True if it is no failure, and no news, that spans are not taken any more.
        next_at: When spans may be offered again, by the monotonic clock.
    """

    def __init__(self, endpoint: Endpoint, once: bool) -> None:
        self._endpoint, self._once = endpoint, once
        self._waiting: dict[_Key, _Waiting] = {}
        self._text = 0
        self._at_once, self._pause, self._alone = BATCH, FIRST_PAUSE, 0
        self._taken_last: _Waiting | None = None
        self.sent = self.refused = self.failed = 0
        self.is_failing = self.is_stopped = False
        self.next_at = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def clear(self) -> None:
        """Forget the spans that wait, and what was learned of the collector."""
        self._waiting.clear()
        self._text, self.is_failing, self.next_at = 0, False, 0.0
        self._at_once, self._pause, self._alone = BATCH, FIRST_PAUSE, 0

    def is_full(self) -> bool:
        """Return True if it has as much as is offered at once."""
        return len(self._waiting) >= BATCH or self._text >= _MOST_TEXT

    def add(self, session_id: str, spans: Iterable[Span]) -> None:
        """Add spans of a session. A span that waits, and has changed, is replaced."""
        for span in spans:
            self._remove(span)
            text = _text_of(span)
            self._waiting[_key(span)] = _Waiting(span, session_id, text)
            self._text += text

    def session_ids(self) -> set[str]:
        """Return the sessions of the spans that wait, or that may be sent once more."""
        last = [] if self._taken_last is None else [self._taken_last]
        return {one.session_id for one in (*self._waiting.values(), *last)}

    def forget(self, session_ids: Container[str]) -> None:
        """Forget the spans of sessions, which were erased."""
        for one in list(self._waiting.values()):
            if one.session_id in session_ids:
                self._remove(one.span)
        if self._taken_last is not None and self._taken_last.session_id in session_ids:
            self._taken_last = None

    def offer(self, keep: Callable[[], None]) -> None:
        """Offer the first spans, and keep what is not taken.

        Args:
            keep: Called after each request, which may take as long as the endpoint's limit.

        Raises:
            EventStoreError: They were not taken, and nobody waits until they are.
        """
        some = self._first()
        outcome = self._endpoint.offer(some)
        keep()
        if outcome.kind == "away":
            self._note_away(some, outcome)
            keep()
            return
        self.is_failing = False
        if outcome.kind == "taken":
            self._note_taken(some, outcome)
        elif len(some) > 1:
            # One span may be the reason, or all together are too large.
            self._at_once, self._alone = len(some) // 2, 0
        else:
            self._leave_out(some[0], outcome.reason)

    def _first(self) -> list[Span]:
        found: list[Span] = []
        text = 0
        for one in islice(self._waiting.values(), self._at_once):
            text += one.text
            if found and text > _MOST_TEXT:
                break
            found.append(one.span)
        return found

    def _note_taken(self, some: list[Span], outcome: Outcome) -> None:
        rejected = min(outcome.rejected, len(some))
        last = self._waiting[_key(some[-1])]
        for span in some:
            self._remove(span)
        self.sent += len(some) - rejected
        self.refused += rejected
        if rejected:
            _LOGGER.error(
                "%s left %d spans out: %s", self._endpoint.shown, rejected, outcome.reason
            )
        else:
            self._taken_last = last
        self._at_once, self._pause, self._alone = min(len(some) * 2, BATCH), FIRST_PAUSE, 0

    def _note_away(self, some: list[Span], outcome: Outcome) -> None:
        self.failed += 1
        was_failing, self.is_failing = self.is_failing, True
        shown, reason = self._endpoint.shown, outcome.reason
        if not (outcome.suspect and self._is_about(some, reason)) and self._is_last_try():
            raise EventStoreError(f"{shown} did not take the spans: {reason}")
        if not was_failing and not self.is_stopped:
            _LOGGER.warning("%s did not take spans: %s; trying again", shown, reason)
        pause = max(self._pause, min(outcome.wait, MOST_WAIT))
        self.next_at = time.monotonic() + pause
        self._pause = min(self._pause * 2, MOST_PAUSE)

    def _is_last_try(self) -> bool:
        return self._once and not self.is_stopped

    def _is_about(self, some: list[Span], reason: str) -> bool:
        """Return True if it may be the spans that were not taken, and not the collector.

        First they are offered one by one: all together may be too much for the collector, or for
        its limit of time. A span that fails alone, again and again, is left out if the collector
        takes another one in between. So it is known that the collector is not away.
        """
        if len(some) > 1:
            self._at_once = 1
            return True
        self._alone += 1
        if self._alone < 2:
            return True  # It is tried again, once it is known which sessions were erased.
        if self._taken_last is None:
            # It is not known which spans are taken, so the next one is tried.
            self._waiting[_key(some[0])] = self._waiting.pop(_key(some[0]))
            return len(self) > 1 and self._alone < MOST_ALONE
        if self._endpoint.offer([self._taken_last.span]).kind != "taken":
            self._alone = 0
            return False
        if self._alone >= MOST_ALONE:
            self._leave_out(some[0], reason)
        return True

    def _leave_out(self, span: Span, reason: str) -> None:
        self._remove(span)
        self.refused += 1
        self._alone = 0
        shown = self._endpoint.shown
        _LOGGER.error("%s will never take the span %r: %s", shown, span.name, reason)

    def _remove(self, span: Span) -> None:
        removed = self._waiting.pop(_key(span), None)
        if removed is not None:
            self._text -= removed.text


def _key(span: Span) -> _Key:
    return span.span_id, span.trace_id


def _text_of(span: Span) -> int:
    """Return how many characters the texts of a span have."""
    attributes = [span.attributes, *(event.attributes for event in span.events())]
    values = (value for some in attributes for value in some.values())
    return sum(len(value) for value in values if isinstance(value, str))
