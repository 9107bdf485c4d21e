"""Find the spans of a session that have ended, or changed, since its spans were sent last.

What was sent is known without a note of it: when a subscription is at an event of a session, the
spans that had ended by then were sent, as they were then. So whoever goes on, after a restart or in
another process, needs the subscription's checkpoint alone. Called by traces.py.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Engine

from eventstore.exports.otel.evaluations import add_evaluations
from eventstore.exports.otel.parts import Facts, Parts, changed, facts_of, said_last, whole
from eventstore.exports.otel.session_spans import (
    child_spans,
    finished,
    server_errors,
    session_spans,
)
from eventstore.exports.otel.span_content import item_ids_of_inputs
from eventstore.exports.otel.spans import Span
from eventstore.projection.handlers.session import close_session
from eventstore.projection.live_state import Speaker
from eventstore.projection.state import SessionState
from eventstore.projection.state_size import state_size
from eventstore.store.consumers.checkpoints import read_checkpoint
from eventstore.store.database.transaction import read
from eventstore.store.readmodels.states.load_state import fold_behind, load_state

#: How many sessions are kept in memory, and how many bytes they have. A session that is not kept
#: is loaded from the log again.
MOST_KEPT, MOST_BYTES = 2_000, 128 * 1024 * 1024
#: How many bytes are counted for a span that was sent.
_OF_SPAN = 160
STREAM = "SELECT head_seq, closed_at FROM streams WHERE session_id = ? AND erased_at IS NULL"


@dataclass(slots=True)
class SentSpans:
    """The spans of a session that were sent.

    Attributes:
        state: The session's state at the event up to which they were sent.
        digests: A digest of each span, as it was sent last, by its id.
        facts: What each span of the session said then.
        said: What each speaker of a Live session had said last then.
        inputs: Which items were the input of each response then; empty without content.
    """

    state: SessionState
    digests: dict[bytes, bytes] = field(default_factory=dict)
    facts: Facts | None = None
    said: dict[Speaker, str] = field(default_factory=dict)
    inputs: dict[str, list[str]] = field(default_factory=dict)

    def note(self, spans: Iterable[Span]) -> list[Span]:
        """Note spans as sent, and return those that were not, or not as they are now."""
        new = []
        for span in spans:
            digest = _digest(span)
            if self.digests.get(span.span_id) != digest:
                self.digests[span.span_id] = digest
                new.append(span)
        self.facts, self.said = facts_of(self.state), said_last(self.state)
        self.state.dirty.clear()
        return new


class KeptSessions:
    """The sessions whose sent spans are in memory; those that were not used for longest go."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[SentSpans, int]] = OrderedDict()
        self._size = 0

    def take(self, session_id: str) -> SentSpans | None:
        """Return a session, which is kept no more; None if it is not kept."""
        kept, size = self._kept.pop(session_id, (None, 0))
        self._size -= size
        return kept

    def put(self, sent: SentSpans) -> None:
        """Keep a session."""
        size = state_size(sent.state, MOST_BYTES) + _OF_SPAN * len(sent.digests)
        self._kept[sent.state.session_id] = sent, size
        self._size += size
        while len(self._kept) > MOST_KEPT or self._size > MOST_BYTES:
            self.take(next(iter(self._kept)))


@dataclass(frozen=True)
class SpanReader:
    """Reads the spans of sessions that were not sent yet.

    Attributes:
        engine: The engine of the database.
        name: The name of the subscription, whose checkpoints say what was sent.
        content: Include what was said, and the arguments and outputs of tools.
        link: Where the store's pages are; None leaves the addresses of pages out.
        kept: The sessions that are in memory.
    """

    engine: Engine
    name: str
    content: bool = False
    link: str | None = None
    kept: KeptSessions = field(default_factory=KeptSessions)

    def new_spans(self, session_id: str) -> list[Span]:
        """Return the spans that have ended, or changed, since this was asked last.

        They count as sent from then on. The spans of a session whose app does not record its trace
        are left out.
        """
        with read(self.engine) as tx:
            row = tx.row(STREAM, (session_id,))
            if row is None:
                return []  # It was erased, or moved away.
            head, closed = row[0], row[1] is not None
            checkpoint = read_checkpoint(tx, session_id, self.name)
            position = min(checkpoint.seq, head) if checkpoint is not None else 0
            sent = self.kept.take(session_id)
            if sent is None or not position <= sent.state.seq <= head:
                # To load a state reads fewer events than to fold on. If nothing was sent yet, it
                # is of no matter which parts the latest events have changed.
                sent = SentSpans(load_state(tx, session_id, position or head, closed=False))
                if position:
                    self._note_sent(sent)
            fold_behind(tx, sent.state, head)
        if closed:
            close_session(sent.state)
        new = sent.note(self._spans(sent, closed))
        if not closed:
            if self.content and (new or not sent.inputs):
                sent.inputs = item_ids_of_inputs(sent.state)
            self.kept.put(sent)
        return new

    def gone(self, session_ids: Iterable[str]) -> set[str]:
        """Return those of these sessions that were erased, or moved away."""
        with read(self.engine) as tx:
            return {id_ for id_ in session_ids if tx.row(STREAM, (id_,)) is None}

    def _note_sent(self, sent: SentSpans) -> None:
        """Note the spans that were sent when the checkpoint was moved to where the state is.

        The root's may have been sent or not, so that it is sent again.
        """
        sent.note(self._open_spans(sent.state, whole(sent.state)))

    def _spans(self, sent: SentSpans, closed: bool) -> list[Span]:
        """Return spans that have ended; those of an open session as far as they may be new."""
        state = sent.state
        if not facts_of(state).trace.sampled:
            return []
        if closed:
            errors = server_errors(self.engine, state)
            return session_spans(state, errors, self.content, self.link)
        if sent.facts is None:
            return self._open_spans(state, whole(state))
        if not state.dirty and sent.said == said_last(state):
            return []
        parts = changed(state, sent.facts, sent.said)
        if self.content:
            parts = _with_inputs(state, parts, sent)
        return self._open_spans(state, parts)

    def _open_spans(self, state: SessionState, parts: Parts) -> list[Span]:
        """Return the spans of these parts that have ended though the session may go on."""
        if not facts_of(state).trace.sampled:
            return []
        spans = child_spans(state, parts, self.content)
        if state.scores:
            _add_scores(state, spans, self.content)
        return finished(state, (span for span in spans if span.is_over), self.link)


def _with_inputs(state: SessionState, parts: Parts, sent: SentSpans) -> Parts:
    """Return parts, and the responses whose input has changed: items come and go ahead of them."""
    inputs = item_ids_of_inputs(state)
    found = {response.id: response for response in parts.responses}
    for id_, items in inputs.items():
        if items != sent.inputs.get(id_) or not state.dirty.items.isdisjoint(items):
            found[id_] = state.responses[id_]
    return parts._replace(responses=found.values())


def _add_scores(state: SessionState, spans: list[Span], content: bool) -> None:
    """Add scores to the spans of all parts of a session; those of its root wait for its end."""
    if spans:
        first = spans[0]
        root = Span(
            "", "internal", first.trace_id, b"", None, first.start, first.end, first.attributes
        )
        add_evaluations(state, [root, *spans], content)


def _digest(span: Span) -> bytes:
    return hashlib.blake2b(repr(span).encode("utf-8", "replace"), digest_size=16).digest()
