"""What the deltas of generated audio add up to, summed by the database: for loading a state.

Of a part's deltas the first is folded, and the others are summed: how many, how long, from where to
where. That is what folding each comes to, since those that were delivered twice have no load key:
an append that folds its events writes none, and `clear_load_keys` takes it from those that others
wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from eventstore.projection.handlers.conversation import part_index
from eventstore.projection.load_keys import AUDIO_KEY
from eventstore.projection.repeats import EVENT_ID_MEMBER
from eventstore.projection.state import AudioSpan, SessionState
from eventstore.realtime.values import identifier
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.states.state_rows import (
    COLUMNS,
    PART_EVENTS,
    PIECE_ROWS,
    parsed_event,
    prefix_end,
    read_state_rows,
    state_row_pieces,
)

_IS_AUDIO = f"load_key >= '{AUDIO_KEY}' AND load_key < '{prefix_end(AUDIO_KEY)}'"
AUDIO_PARTS = (
    f"SELECT {COLUMNS}, load_key, last_seq, chunks, bytes FROM events JOIN"
    " (SELECT MIN(seq) AS first_seq, MAX(seq) AS last_seq, COUNT(*) AS chunks,"
    " COALESCE(SUM(audio_bytes), 0) AS bytes FROM events"
    f" WHERE session_id = ? AND {_IS_AUDIO}"
    " AND seq <= ? GROUP BY load_key) AS parts ON seq = first_seq"
    " WHERE session_id = ? ORDER BY seq DESC"
)
AUDIO_EVENTS = (
    f"SELECT {COLUMNS}, load_key FROM events WHERE session_id = ? AND {_IS_AUDIO}"
    f" AND seq > ? AND seq <= ? ORDER BY seq LIMIT {PIECE_ROWS}"
)
FORGET_KEY = "UPDATE events SET load_key = NULL WHERE session_id = ? AND seq = ?"
#: How many columns of these rows are those of an event.
EVENT_COLUMNS = COLUMNS.count(",") + 1


def audio_parts(tx: Transaction, session_id: str, seq: int) -> list[Row]:
    """The first delta of each part up to a seq, the last one first, and what all of them sum up to.

    Deltas of one part can differ in the response that they name, and count as parts of their own.
    """
    return read_state_rows(tx, session_id, AUDIO_PARTS, (session_id, seq, session_id))


def add_audio_span(state: SessionState, audio: dict[tuple[str, int], AudioSpan], row: Row) -> bool:
    """Note where the audio lies that a part's first delta begins; whether the others add no more.

    Args:
        state: after this delta.
        audio: where the audio of each item's part lies.
        row: of `audio_parts`.
    """
    seq, _, _, type_, frame, offset, raw, _, _, last_seq, chunks, size = row
    event = parsed_event(type_, frame, offset, raw) or {}
    item = state.items.get(identifier(event.get("item_id")) or "")
    if item is None or item.response_id is None:
        return False
    span = audio.setdefault((item.id, part_index(event)), AudioSpan(seq, seq))
    span.last_seq = max(span.last_seq, last_seq)
    span.bytes += int(size)
    span.chunks += chunks
    return True


def remember_open_parts(
    tx: Transaction, state: SessionState, parts: Iterable[Row], last: int
) -> None:
    """Let the state know the deltas of responses that go on, as if each had been folded.

    Args:
        parts: the rows of `audio_parts` that the state was made of.
        last: the state's seq.
    """
    for row in parts:
        event = parsed_event(*row[3:7]) or {}
        if (
            EVENT_ID_MEMBER not in row[4]
            or identifier(event.get("response_id")) in state.repeats.done
        ):
            continue
        for seq, _, direction, type_, frame, offset, raw, length in _part(tx, state, row, last):
            body = parsed_event(type_, frame, offset, raw)
            if body is not None:
                state.repeats.is_repeated(seq, direction, type_, body, frame, length or 0)


def _part(tx: Transaction, state: SessionState, row: Row, last: int) -> Iterator[Row]:
    where = (state.session_id, row[EVENT_COLUMNS])
    return chain.from_iterable(state_row_pieces(tx, PART_EVENTS, where, 0, last))


def may_repeat(tx: Transaction, session_id: str, after: int, last: int) -> bool:
    """Return True if a text comes twice in a part, and at least once behind a seq.

    Only a fold of every event tells whether it is one event that was delivered twice.

    Args:
        after: events up to here were folded when they were appended.
        last: how far to look.
    """
    texts: dict[str, set[int]] = {}
    for row in chain.from_iterable(state_row_pieces(tx, AUDIO_EVENTS, (session_id,), after, last)):
        frame, key = row[4], row[EVENT_COLUMNS]
        if EVENT_ID_MEMBER not in frame:
            continue
        seen = texts.get(key)
        if seen is None:
            before = chain.from_iterable(
                state_row_pieces(tx, PART_EVENTS, (session_id, key), 0, after)
            )
            seen = texts[key] = {hash(row[4]) for row in before} if after else set()
        if hash(frame) in seen:
            return True
        seen.add(hash(frame))
    return False


def clear_load_keys(tx: Transaction, session_id: str, seqs: Iterable[int]) -> None:
    """Take the load key from deltas that were delivered twice."""
    for seq in seqs:
        tx.run(FORGET_KEY, (session_id, seq))
