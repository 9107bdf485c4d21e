"""Fold the events of a session that are in segments, without most deltas of texts.

A segment is unpacked as a whole, so that every event of it is at hand. But the `…done` event of a
text has the text of its deltas. They are folded only where the state depends on them, as in a load
of events in rows (load_state.py). Other events that a rebuild does not need are not even parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from eventstore.projection.state import SessionState
from eventstore.realtime.catalogue import INPUT_AUDIO, SKIPPED_BY_REBUILD, TEXT_DELTAS
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import STORE
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.log.segments.read_segments import StoredSegment, events_in, segments_between
from eventstore.store.readmodels.states.state_rows import fold_row

# Types whose frames are never looked at, input audio among them.
_UNREAD = SKIPPED_BY_REBUILD - TEXT_DELTAS


class SealedLog:
    """The segments of a session, read to load a state. Called by load_state.py.

    The deltas of the segment that was read last are kept: a text that never finished, for which
    they are needed, is usually at the end.
    """

    def __init__(self, tx: Transaction, session_id: str) -> None:
        self._tx, self._session_id = tx, session_id
        self._kept_from = 0
        self._kept: list[EventRow] = []

    def fold(self, state: SessionState, seq: int) -> None:
        """Fold the events in segments up to a seq, except most deltas of texts.

        The first text of a response is folded, because its time counts. The caller folds the
        deltas of texts that never finished.

        Args:
            state: The state of the session before its first event.
            seq: The last event to fold.
        """
        for segment in segments_between(self._tx, self._session_id, 1, seq):
            self._kept_from, self._kept = segment.first_seq, []
            self._fold_segment(state, segment, seq)

    def _fold_segment(self, state: SessionState, segment: StoredSegment, last: int) -> None:
        first_at, last_at, keep = state.first_at, state.last_at, self._kept.append
        for row in events_in(segment, sound=False, framed=_is_read):
            seq, at, direction, type_, _, offset, size, _ = row
            if seq > last:
                break
            if at is not None and direction != STORE:
                last_at = at
            if seq == 1:
                first_at = at
            if type_ in INPUT_AUDIO and offset is not None and offset >= 0:
                state.input_bytes += size or 0
            if type_ in _UNREAD:
                continue
            if type_ in TEXT_DELTAS:
                keep(row)
                if not state.awaiting_text:
                    continue
            fold_row(state, state_row(row))
        state.seq, state.first_at, state.last_at = min(segment.last_seq, last), first_at, last_at

    def text_deltas(self, after: int, before: int) -> Iterator[Row]:
        """Yield the deltas of texts between two seqs, both excluded."""
        first, last = after + 1, before - 1
        if first >= self._kept_from:
            found = iter(self._kept)
        else:
            found = chain.from_iterable(
                events_in(segment, _is_text_delta, sound=False)
                for segment in segments_between(self._tx, self._session_id, first, last)
            )
        return (state_row(row) for row in found if first <= row.seq <= last)


def state_row(event: EventRow) -> Row:
    """Return an event as a row of `STATE_EVENT_COLUMNS`."""
    seq, at, direction, type_, frame, offset, size, audio = event
    # A row of the table has no audio length if the whole frame is stored as bytes.
    length = size if offset is not None and offset >= 0 else None
    return seq, at, direction, type_, frame, offset, audio, length


def _is_read(_direction: str, type_: str) -> bool:
    return type_ not in _UNREAD


def _is_text_delta(_direction: str, type_: str) -> bool:
    return type_ in TEXT_DELTAS
