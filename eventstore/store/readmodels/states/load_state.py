"""Load a session's state from the log, and read no more of the log than the projection needs.

Input audio and events without effect are not read. Text deltas are not read either, because the
`…done` event behind them has the same text. They are read only where the state depends on them: the
first text of a response (for its time), and the text of parts that never finished. Of a part's
audio deltas the first is folded, and SQL sums all of them up. The result equals folding every event
(tests/store/readmodels/test_load_state.py). Called by sessions/, queries/ and
archive/erase_audio.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from eventstore.projection.content import AudioSpan
from eventstore.projection.handlers.conversation import (
    accepts_arguments,
    accepts_heard,
    accepts_text,
    accepts_transcript,
)
from eventstore.projection.handlers.session import close_session
from eventstore.projection.handlers.speech import needs_input_bytes
from eventstore.projection.load_keys import SUMMED_DELTAS, TRANSCRIPT_KEY, transcript_part
from eventstore.projection.state import PROJECTOR_VERSION, Item, SessionState
from eventstore.realtime.catalogue import INPUT_AUDIO, TEXT_DELTAS
from eventstore.store.database.many_queries import rows_of_each
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.log.read_events import rows_in
from eventstore.store.log.segments.read_segments import sealed_events
from eventstore.store.readmodels.states.audio_parts import (
    EVENT_COLUMNS,
    add_audio_span,
    audio_parts_query,
    clear_load_keys,
    may_repeat,
    remember_open_parts,
)
from eventstore.store.readmodels.states.first_texts import FirstTexts, read_first_texts
from eventstore.store.readmodels.states.sealed_state import SealedLog, state_row
from eventstore.store.readmodels.states.state_rows import (
    PART_EVENTS,
    PIECE_ROWS,
    STATE_EVENT_COLUMNS,
    decrypt_state_rows,
    fold_row,
    listed,
    parsed_event,
    prefix_end,
    read_state_rows,
    state_row_pieces,
)

EVENTS_IN_ORDER = (
    f"SELECT {STATE_EVENT_COLUMNS} FROM events WHERE session_id = ? AND load_key = '' AND seq > ?"
    f" AND seq <= ? ORDER BY seq LIMIT {PIECE_ROWS}"
)
TRANSCRIPT_KEYS = (
    f"SELECT DISTINCT load_key FROM events WHERE session_id = ? AND load_key >= '{TRANSCRIPT_KEY}'"
    f" AND load_key < '{prefix_end(TRANSCRIPT_KEY)}' AND seq <= ?"
)
ALL_EVENTS = (
    f"SELECT {STATE_EVENT_COLUMNS} FROM events WHERE session_id = ? AND seq > ? AND seq <= ?"
    f" ORDER BY seq LIMIT {PIECE_ROWS}"
)
TEXT_DELTA_EVENTS = (
    f"SELECT {STATE_EVENT_COLUMNS} FROM events WHERE session_id = ? AND seq > ? AND seq < ?"
    f" AND type IN ({listed(TEXT_DELTAS)}) ORDER BY seq LIMIT {PIECE_ROWS}"
)
INPUT_BYTES = (
    "SELECT COALESCE(SUM(audio_bytes), 0) FROM events WHERE session_id = ? AND seq > ?"
    f" AND seq < ? AND type IN ({listed(INPUT_AUDIO)})"
)
STREAM = "SELECT sealed_seq, projected_seq, projector_version FROM streams WHERE session_id = ?"
FIRST_EVENT_AT = "SELECT at FROM events WHERE session_id = ? AND seq = 1 AND seq <= ?"
LAST_FOLDED_AT = (
    "SELECT at FROM events WHERE session_id = ? AND seq <= ? AND at IS NOT NULL"
    " AND direction <> 'store' ORDER BY seq DESC LIMIT 1"
)


def load_state(
    tx: Transaction, session_id: str, seq: int, closed: bool, projects: bool = False
) -> SessionState:
    """Return the session's state after events 1 to `seq`, with nothing marked as changed.

    Args:
        seq: The last event to fold.
        closed: True if the writer closed the stream at this seq.
        projects: True if read models up to the head are about to be written. Deltas that turn out
            to be repeated are then marked in the log.

    Raises:
        DamagedError: The columns of an event have values that no event can have.
    """
    state, repeated = load_with_repeats(tx, session_id, seq, closed)
    if projects:
        clear_load_keys(tx, session_id, repeated)
    return state


def load_with_repeats(
    tx: Transaction, session_id: str, seq: int, closed: bool
) -> tuple[SessionState, list[int]]:
    """Return the session's state as `load_state` does, and which deltas turned out to be repeated.

    Returns:
        The state, and the seqs of the deltas. Whoever writes read models of the state marks them in
        the log, with `clear_load_keys`.

    Raises:
        DamagedError: As `load_state`.
    """
    sealed, folded = _sealed_and_folded(tx, session_id)
    repeated: list[int] = []
    try:
        if sealed:
            state = _fold_sealed(tx, session_id, seq)
        else:
            state, repeated = _fold_unsealed(tx, session_id, seq, folded)
    except (TypeError, AttributeError):
        for _ in rows_in(tx, session_id, 1, seq):  # This raises DamagedError for the event.
            pass
        raise
    if closed:
        close_session(state)
    state.forget_written()
    return state, repeated


def _sealed_and_folded(tx: Transaction, session_id: str) -> tuple[bool, int]:
    """Return True if a session has segments, and up to which seq its events were folded.

    Only a fold by this version of the projector counts.
    """
    row = tx.row(STREAM, (session_id,))
    if row is None:
        return False, 0
    sealed, projected, version = row
    return bool(sealed), projected if version == PROJECTOR_VERSION else 0


def _fold_unsealed(
    tx: Transaction, session_id: str, seq: int, folded: int
) -> tuple[SessionState, list[int]]:
    """Return the state of a session without segments, by parts if possible, and its repeats."""
    repeats = seq > folded and may_repeat(tx, session_id, folded, seq)
    state = None if repeats else _fold_by_parts(tx, session_id, seq)
    if state is not None:
        return state, []
    state = SessionState(session_id)
    repeated = _fold_on(tx, state, seq)
    state.seq = seq
    return state, repeated


def _fold_sealed(tx: Transaction, session_id: str, seq: int) -> SessionState:
    """Return the state of a session with segments. Events behind them are all folded."""
    state, sealed = SessionState(session_id), SealedLog(tx, session_id)
    sealed.fold(state, seq)
    _fold_on(tx, state, seq)
    _finish_texts(tx, state, seq, sealed)
    return state


def find_and_mark_repeats(tx: Transaction, session_id: str, seq: int) -> None:
    """Mark the repeated audio deltas of a session whose rows up to a seq were inserted again."""
    if may_repeat(tx, session_id, 0, seq):
        clear_load_keys(tx, session_id, _fold_on(tx, SessionState(session_id), seq))


def catch_up_state(tx: Transaction, state: SessionState, seq: int) -> None:
    """Fold the events behind a state up to `seq`, which another process appended.

    The caller is about to write read models of the state.
    """
    clear_load_keys(tx, state.session_id, _fold_on(tx, state, seq))
    state.forget_written()


def fold_behind(tx: Transaction, state: SessionState, seq: int) -> None:
    """Fold the events behind a state up to `seq`. What they change is marked in the state.

    Nothing is written: the state is for whoever follows the session.
    """
    _fold_on(tx, state, seq)


def _fold_on(tx: Transaction, state: SessionState, seq: int) -> list[int]:
    """Fold every event behind the state up to `seq`, first those in segments.

    Returns:
        The seqs of audio deltas that were delivered twice, except those in segments.
    """
    for sealed in sealed_events(tx, state.session_id, state.seq + 1, seq, sound=False):
        fold_row(state, state_row(sealed))
    repeated: list[int] = []
    for row in chain.from_iterable(
        state_row_pieces(tx, ALL_EVENTS, (state.session_id,), state.seq, seq)
    ):
        fold_row(state, row)
        if state.repeats.last == row[0] and row[3] in SUMMED_DELTAS:
            repeated.append(row[0])
    return repeated


def _fold_by_parts(tx: Transaction, session_id: str, seq: int) -> SessionState | None:
    """Return the state after events 1 to `seq`, reading only the deltas that it depends on.

    Returns:
        The state; None if every delta must be folded, because the item of one is not in a response.
    """
    read = _read_first(tx, session_id, seq)
    state, parts = SessionState(session_id), read.parts
    audio: dict[tuple[str, int], AudioSpan] = {}
    texts = FirstTexts(tx, session_id)

    def in_order() -> Iterator[Row]:
        where = (session_id,)
        for piece in state_row_pieces(tx, EVENTS_IN_ORDER, where, 0, seq, read.in_order):
            texts.read_ahead(piece)
            yield from piece

    for row in _merged(in_order(), parts.copy()):
        seq_, _, _, type_, frame, offset, raw = row[:7]
        if state.awaiting_text and seq_ > state.seq + 1:
            read_first_texts(texts, state, seq_)
        if type_ == "input_audio_buffer.committed" and needs_input_bytes(
            state, parsed_event(type_, frame, offset, raw)
        ):
            state.input_bytes = _input_bytes(tx, state, seq_)
        fold_row(state, row[:EVENT_COLUMNS])
        if len(row) > EVENT_COLUMNS and not add_audio_span(state, audio, row):
            return None
    if state.live is not None and (parts or read.transcripts):
        return None  # Deltas of Realtime count until an event proves that the session is Live.
    for (item_id, index), span in audio.items():
        state.items[item_id].parts[index].audio = span
    if state.awaiting_text and seq > state.seq:
        read_first_texts(texts, state, seq + 1)
    _finish_texts(tx, state, seq)
    _finish_transcripts(tx, state, read.transcripts, seq)
    remember_open_parts(tx, state, parts, seq)
    state.input_bytes = _input_bytes(tx, state, seq + 1)
    state.seq, state.first_at, state.last_at = seq, read.first_at, read.last_at
    return state


class _FirstRead(NamedTuple):
    """What is read first of a session without segments.

    Attributes:
        parts: The rows of `audio_parts_query`.
        in_order: The first piece of the events that are folded in their order.
        transcripts: The load keys of parts of the user's speech that have deltas of a transcript.
        first_at, last_at: The times of the first and of the last event.
    """

    parts: list[Row]
    in_order: list[Row]
    transcripts: list[str]
    first_at: int | None
    last_at: int | None


def _read_first(tx: Transaction, session_id: str, seq: int) -> _FirstRead:
    parts, in_order, keys, first, last = rows_of_each(
        tx,
        (
            audio_parts_query(session_id, seq),
            (EVENTS_IN_ORDER, (session_id, 0, seq)),
            (TRANSCRIPT_KEYS, (session_id, seq)),
            (FIRST_EVENT_AT, (session_id, seq)),
            (LAST_FOLDED_AT, (session_id, seq)),
        ),
    )
    return _FirstRead(
        decrypt_state_rows(tx, session_id, parts),
        decrypt_state_rows(tx, session_id, in_order),
        [key for (key,) in keys],
        first[0][0] if first else None,
        last[0][0] if last else None,
    )


def _merged(many: Iterator[Row], few: list[Row]) -> Iterator[Row]:
    """Yield the rows of both by seq. `few` is ordered from the last one to the first.

    `heapq.merge` takes four times as long.
    """
    for row in many:
        while few and few[-1][0] < row[0]:
            yield few.pop()
        yield row
    yield from reversed(few)


def _finish_texts(
    tx: Transaction, state: SessionState, seq: int, sealed: SealedLog | None = None
) -> None:
    """Fold all text deltas of the parts that never finished.

    Deltas of a Live session have no rows of their own: they are within other events, or are
    fragments of speech, all of which were folded.
    """
    if state.live is not None:
        return
    unfinished = [item for item in state.items.values() if _may_hold_deltas(item, seq + 1)]
    state.growing = None  # what it found is forgotten here
    for item in unfinished:
        state.repeats.forget_texts(item.response_id or "")
        item.argument_deltas.clear()
        for part in item.parts.values():
            part.text_deltas.clear()
            part.transcript_deltas.clear()
    before = state.awaiting_text, state.seq, state.last_at  # which these earlier events change
    state.awaiting_text = set()
    for first, last in _delta_ranges(state, unfinished, seq):
        for row in sealed.text_deltas(first, last) if sealed is not None else ():
            fold_row(state, row)
        while True:
            where = (state.session_id, first, last)
            rows = read_state_rows(tx, state.session_id, TEXT_DELTA_EVENTS, where)
            for row in rows:
                fold_row(state, row)
            if len(rows) < PIECE_ROWS:
                break
            first = rows[-1][0]
    state.awaiting_text, state.seq, state.last_at = before
    state.growing = None


def _finish_transcripts(tx: Transaction, state: SessionState, keys: list[str], seq: int) -> None:
    """Fold the transcript deltas of the user's speech that has no final transcript.

    Args:
        keys: The load keys of the parts that have such deltas.
    """
    for key in keys:
        item_id, index = transcript_part(key)
        item = state.items.get(item_id)
        part = item.parts.get(index) if item is not None else None
        if part is None or part.type is None or accepts_heard(part):
            for row in chain.from_iterable(
                state_row_pieces(tx, PART_EVENTS, (state.session_id, key), 0, seq)
            ):
                fold_row(state, row)


def _may_hold_deltas(item: Item, seq: int) -> bool:
    if item.response_id is None:
        return False
    return accepts_arguments(item, seq) or any(
        accepts_text(part, seq) or accepts_transcript(part, seq) for part in item.parts.values()
    )


def _delta_ranges(state: SessionState, items: list[Item], seq: int) -> list[tuple[int, int]]:
    """Return ranges of seqs, ends excluded, that contain the deltas of the items.

    The ranges do not overlap.
    """
    spans = []
    for item in items:
        response = state.responses.get(item.response_id or "")
        done = response.done_seq if response is not None else None
        spans.append((item.tied_seq, done if done is not None else seq + 1))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _input_bytes(tx: Transaction, state: SessionState, before: int) -> int:
    row = tx.row(INPUT_BYTES, (state.session_id, state.commit_seq, before))
    return int(row[0]) if row is not None else 0
