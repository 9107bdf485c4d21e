"""Load a session's state from the log, reading no more of it than the fold needs.

Input audio and events without effect are skipped, and so are text deltas, since their
`…done` says the same. They are read only where the fold depends on them: the first text of
a response, and the text of parts that never finished. Of a part's audio deltas the first is
folded, and all are summed up by the database. The result equals folding every event
(tests/store/test_load_state.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson

from eventstore.encryption.cipher import Cipher, CipherError
from eventstore.encryption.events import decrypt_row
from eventstore.projection.conversation import (
    accepts_arguments,
    accepts_heard,
    accepts_text,
    accepts_transcript,
    part_index,
)
from eventstore.projection.fold import advance
from eventstore.projection.parts import AUDIO_KEY, TRANSCRIPT_KEY, transcript_part
from eventstore.projection.session import close
from eventstore.projection.speech import needs_input_bytes
from eventstore.projection.state import AudioSpan, Item, SessionState
from eventstore.realtime.catalogue import INPUT_AUDIO, TEXT_DELTAS
from eventstore.realtime.frames import ENCRYPTIONS, UNREADABLE, parse_stored
from eventstore.realtime.values import identifier
from eventstore.segments.rows import Row as Event
from eventstore.store.read_segments import sealed_events, sealed_seq
from eventstore.store.read_stream import rows_in
from eventstore.store.transaction import Row, Transaction

_PIECE_ROWS = 1000
# Where a row's `audio_offset` is.
_OFFSET = itemgetter(5)
_ENCRYPTIONS = frozenset(ENCRYPTIONS)
_PART_ADDED = "response.content_part.added"
_LENGTH_OF_ROW = 8


def _listed(types: frozenset[str]) -> str:
    return ", ".join(f"'{type_}'" for type_ in sorted(types))


def _behind(prefix: str) -> str:
    """What all texts with the prefix stand before."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


_COLUMNS = (
    "seq, at, direction, type, frame, audio_offset,"
    " CASE WHEN audio_offset < 0 THEN audio END,"
    " audio_bytes"
)
EVENTS_IN_ORDER = (
    f"SELECT {_COLUMNS} FROM events WHERE session_id = ? AND load_key = '' AND seq > ?"
    f" AND seq <= ? ORDER BY seq LIMIT {_PIECE_ROWS}"
)
AUDIO_PARTS = (
    f"SELECT {_COLUMNS}, last_seq, chunks, bytes FROM events JOIN"
    " (SELECT MIN(seq) AS first_seq, MAX(seq) AS last_seq, COUNT(*) AS chunks,"
    " COALESCE(SUM(audio_bytes), 0) AS bytes FROM events"
    f" WHERE session_id = ? AND load_key >= '{AUDIO_KEY}' AND load_key < '{_behind(AUDIO_KEY)}'"
    " AND seq <= ? GROUP BY load_key) AS parts ON seq = first_seq"
    " WHERE session_id = ? ORDER BY seq DESC"
)
PART_EVENTS = (
    f"SELECT {_COLUMNS} FROM events WHERE session_id = ? AND load_key = ? AND seq > ?"
    f" AND seq <= ? ORDER BY seq LIMIT {_PIECE_ROWS}"
)
TRANSCRIPT_KEYS = (
    f"SELECT DISTINCT load_key FROM events WHERE session_id = ? AND load_key >= '{TRANSCRIPT_KEY}'"
    f" AND load_key < '{_behind(TRANSCRIPT_KEY)}' AND seq <= ?"
)
ALL_EVENTS = (
    f"SELECT {_COLUMNS} FROM events WHERE session_id = ? AND seq > ? AND seq <= ?"
    f" ORDER BY seq LIMIT {_PIECE_ROWS}"
)
TEXT_DELTA_EVENTS = (
    f"SELECT {_COLUMNS} FROM events WHERE session_id = ? AND seq > ? AND seq < ?"
    f" AND type IN ({_listed(TEXT_DELTAS)}) ORDER BY seq LIMIT {_PIECE_ROWS}"
)
NEXT_TEXT_DELTA = (
    f"SELECT {_COLUMNS} FROM events WHERE session_id = ? AND seq > ? AND seq < ?"
    f" AND type IN ({_listed(TEXT_DELTAS)}) ORDER BY seq LIMIT 1"
)
# PostgreSQL: the first text delta behind each of many parts, in one trip.
FIRST_TEXT_DELTAS = (
    f"SELECT part, {_COLUMNS} FROM unnest(?::bigint[], ?::bigint[]) AS parts(part, next_part)"
    " CROSS JOIN LATERAL (SELECT * FROM events WHERE session_id = ? AND seq > part"
    f" AND seq < next_part AND type IN ({_listed(TEXT_DELTAS)}) ORDER BY seq LIMIT 1) AS found"
)
INPUT_BYTES = (
    "SELECT COALESCE(SUM(audio_bytes), 0) FROM events WHERE session_id = ? AND seq > ?"
    f" AND seq < ? AND type IN ({_listed(INPUT_AUDIO)})"
)
FIRST_AT = "SELECT at FROM events WHERE session_id = ? AND seq = 1"
LAST_AT = (
    "SELECT at FROM events WHERE session_id = ? AND seq <= ? AND at IS NOT NULL"
    " AND direction <> 'store' ORDER BY seq DESC LIMIT 1"
)


def load_state(tx: Transaction, session_id: str, seq: int, closed: bool) -> SessionState:
    """The state after events 1 to `seq`, nothing in it marked as changed.

    Args:
        closed: the stream was closed at this seq, by whoever wrote it.

    Raises:
        DamagedError: an event's columns hold what none can have.
    """
    try:
        if sealed_seq(tx, session_id):
            state = SessionState(session_id)
            _fold_on(tx, state, seq)
        else:
            state = _fold_unsealed(tx, session_id, seq)
    except (TypeError, AttributeError):
        for _ in rows_in(tx, session_id, 1, seq):  # which names the event whose columns are wrong
            pass
        raise
    if closed:
        close(state)
    state.forget_written()
    return state


def _fold_unsealed(tx: Transaction, session_id: str, seq: int) -> SessionState:
    state = _fold_by_parts(tx, session_id, seq)
    if state is None:
        state = SessionState(session_id)
        _fold_on(tx, state, seq)
    first, last = tx.row(FIRST_AT, (session_id,)), tx.row(LAST_AT, (session_id, seq))
    state.seq = seq
    state.first_at = first[0] if first is not None and seq > 0 else None
    state.last_at = last[0] if last is not None else None
    return state


def catch_up_state(tx: Transaction, state: SessionState, seq: int) -> None:
    """Fold the events behind the state, up to `seq`, that another writer appended and projected."""
    _fold_on(tx, state, seq)
    state.forget_written()


def _fold_on(tx: Transaction, state: SessionState, seq: int) -> None:
    """Fold every event behind the state up to `seq`, those in segments first."""
    for sealed in sealed_events(tx, state.session_id, state.seq + 1, seq, sound=False):
        at, direction, type_, frame, offset, size, audio = sealed[1:]
        # The table has no length of what is whole frames.
        length = size if offset is not None and offset >= 0 else None
        _fold_row(state, (sealed.seq, at, direction, type_, frame, offset, audio, length))
    for row in chain.from_iterable(_pieces(tx, ALL_EVENTS, (state.session_id,), state.seq, seq)):
        _fold_row(state, row)


def _fold_by_parts(tx: Transaction, session_id: str, seq: int) -> SessionState | None:
    """The state after events 1 to `seq`, of each part's deltas no more read than needed.

    Returns:
        None where more of them matter: a delta whose item is not part of a response.
    """
    state = SessionState(session_id)
    audio: dict[tuple[str, int], AudioSpan] = {}
    texts = _FirstTexts(tx, session_id)

    def in_order() -> Iterator[Row]:
        for piece in _pieces(tx, EVENTS_IN_ORDER, (session_id,), 0, seq):
            texts.read_ahead(piece)
            yield from piece

    parts = _rows(tx, session_id, AUDIO_PARTS, (session_id, seq, session_id))
    for row in _merged(in_order(), parts):
        seq_, _, _, type_, frame, offset, raw = row[:7]
        if state.awaiting_text and seq_ > state.seq + 1:
            _read_first_texts(texts, state, seq_)
        if type_ == "input_audio_buffer.committed" and needs_input_bytes(
            state, _event(type_, frame, offset, raw)
        ):
            state.input_bytes = _input_bytes(tx, state, seq_)
        _fold_row(state, row[:8])
        if len(row) > _LENGTH_OF_ROW and not _join_span(state, audio, row):
            return None
    for (item_id, index), span in audio.items():
        state.items[item_id].parts[index].audio = span
    if state.awaiting_text and seq > state.seq:
        _read_first_texts(texts, state, seq + 1)
    _finish_texts(tx, state, seq)
    _finish_transcripts(tx, state, seq)
    state.input_bytes = _input_bytes(tx, state, seq + 1)
    return state


def _merged(many: Iterator[Row], few: list[Row]) -> Iterator[Row]:
    """Rows of both by seq, the few given last first; `heapq.merge` takes four times as long."""
    for row in many:
        while few and few[-1][0] < row[0]:
            yield few.pop()
        yield row
    yield from reversed(few)


def _join_span(state: SessionState, audio: dict[tuple[str, int], AudioSpan], row: Row) -> bool:
    """Note where the audio lies that a part's first delta begins; whether the others add no more.

    Deltas of one part can differ in the response that they name, and count as parts of their own.
    """
    seq, _, _, type_, frame, offset, raw, _, last_seq, chunks, size = row
    event = _event(type_, frame, offset, raw) or {}
    item = state.items.get(identifier(event.get("item_id")) or "")
    if item is None or item.response_id is None:
        return False
    span = audio.setdefault((item.id, part_index(event)), AudioSpan(seq, seq))
    span.last_seq = max(span.last_seq, last_seq)
    span.bytes += int(size)
    span.chunks += chunks
    return True


def _pieces(
    tx: Transaction, sql: str, where: tuple[str, ...], after: int, last: int
) -> Iterator[list[Row]]:
    while True:
        rows = _rows(tx, where[0], sql, (*where, after, last))
        yield rows
        if len(rows) < _PIECE_ROWS:
            return
        after = rows[-1][0]


def _rows(tx: Transaction, session_id: str, sql: str, parameters: Sequence[Any]) -> list[Row]:
    """Rows that begin with `_COLUMNS`, decrypted."""
    return _decrypted(tx, session_id, tx.rows(sql, parameters))


def _decrypted(tx: Transaction, session_id: str, rows: list[Row]) -> list[Row]:
    if _ENCRYPTIONS.isdisjoint(map(_OFFSET, rows)):  # nearly always
        return rows
    cipher = tx.decipher(session_id)
    return [_decrypted_row(cipher, row) for row in rows]


def _decrypted_row(cipher: Cipher, row: Row) -> Row:
    seq, at, direction, type_, frame, offset, raw, *rest = row
    if offset in _ENCRYPTIONS:
        with suppress(CipherError):  # folded as what cannot be read
            stored = Event(seq, at, direction, type_, frame, offset, rest[0], raw)
            found = decrypt_row(cipher, stored)
            frame, offset, raw = found.frame, found.audio_offset, found.audio
            raw = raw if offset is not None and offset < 0 else None
    return seq, at, direction, type_, frame, offset, raw, *rest


def _fold_row(state: SessionState, row: Row) -> None:
    seq, at, direction, type_, frame, offset, raw, length = row
    advance(state, seq, at, direction, type_, _event(type_, frame, offset, raw), length or 0)


def _event(type_: str, frame: str, offset: int | None, raw: bytes | None) -> dict[str, Any] | None:
    """The event as it was parsed when it was appended."""
    if type_ == UNREADABLE:
        return None
    if offset is None or offset >= 0:
        try:
            event: dict[str, Any] = orjson.loads(frame)
            return event
        except ValueError:
            pass
    with suppress(ValueError):  # a text that is none, of a row that was changed
        return parse_stored(frame, offset, raw)
    return None


class _FirstTexts:
    """Finds text deltas that a response awaits.

    PostgreSQL is asked once for those behind many parts; SQLite, which has no way to go, answers
    one question for each in less time.
    """

    def __init__(self, tx: Transaction, session_id: str) -> None:
        self._tx, self._session_id = tx, session_id
        self._parts: list[int] = []
        self._ends: list[int] = []
        self._found: dict[int, Row] = {}

    def read_ahead(self, piece: list[Row]) -> None:
        """Find the first text delta behind each part that the events tell of."""
        self._parts = [row[0] for row in piece if self._tx.postgresql and row[3] == _PART_ADDED]
        if not self._parts:
            return
        self._ends = [*self._parts[1:], piece[-1][0] + 1]
        where = (self._parts, self._ends, self._session_id)
        rows = self._tx.rows(FIRST_TEXT_DELTAS, where)
        deltas = _decrypted(self._tx, self._session_id, [row[1:] for row in rows])
        self._found = {row[0]: delta for row, delta in zip(rows, deltas, strict=True)}

    def between(self, after: int, before: int) -> Row | None:
        """The first text delta between two seqs, exclusive."""
        place = bisect_right(self._parts, after) - 1
        if place >= 0 and after < self._ends[place]:
            known = self._found.get(self._parts[place])
            if known is not None and after < known[0]:
                return known if known[0] < before else None
            if known is None:
                after = self._ends[place] - 1
        if after + 1 >= before:
            return None
        where = (self._session_id, after, before)
        return next(iter(_rows(self._tx, self._session_id, NEXT_TEXT_DELTA, where)), None)


def _read_first_texts(texts: _FirstTexts, state: SessionState, before: int) -> None:
    """Fold text deltas before the next folded event, at `before`, while a response awaits one."""
    while state.awaiting_text:
        found = texts.between(state.seq, before)
        if found is None:
            return
        _fold_row(state, found)


def _finish_texts(tx: Transaction, state: SessionState, seq: int) -> None:
    """Give parts that never finished the text of all of their deltas."""
    unfinished = [item for item in state.items.values() if _may_hold_deltas(item, seq + 1)]
    for item in unfinished:
        item.argument_deltas.clear()
        for part in item.parts.values():
            part.text_deltas.clear()
            part.transcript_deltas.clear()
    awaiting, state.awaiting_text = state.awaiting_text, set()
    for first, last in _delta_ranges(state, unfinished, seq):
        while True:
            where = (state.session_id, first, last)
            rows = _rows(tx, state.session_id, TEXT_DELTA_EVENTS, where)
            for row in rows:
                _fold_row(state, row)
            if len(rows) < _PIECE_ROWS:
                break
            first = rows[-1][0]
    state.awaiting_text = awaiting


def _finish_transcripts(tx: Transaction, state: SessionState, seq: int) -> None:
    """Give the user's speech that has no final transcript what its deltas say."""
    for (key,) in tx.rows(TRANSCRIPT_KEYS, (state.session_id, seq)):
        item_id, index = transcript_part(key)
        item = state.items.get(item_id)
        part = item.parts.get(index) if item is not None else None
        if part is None or part.type is None or accepts_heard(part):
            for row in chain.from_iterable(
                _pieces(tx, PART_EVENTS, (state.session_id, key), 0, seq)
            ):
                _fold_row(state, row)


def _may_hold_deltas(item: Item, seq: int) -> bool:
    if item.response_id is None:
        return False
    return accepts_arguments(item, seq) or any(
        accepts_text(part, seq) or accepts_transcript(part, seq) for part in item.parts.values()
    )


def _delta_ranges(state: SessionState, items: list[Item], seq: int) -> list[tuple[int, int]]:
    """The seqs between which deltas of the items lie, exclusive, none of them twice."""
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
