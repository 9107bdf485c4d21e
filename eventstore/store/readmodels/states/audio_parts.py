"""Sum up the deltas of generated audio in the database, to load a state without reading them.

The first delta of each content part is folded. The others are summed up by SQL: how many they are,
how many bytes, and from which seq to which. The result equals folding every delta, because deltas
that were delivered twice have no load key. An append that folds its events writes none for them,
and `clear_load_keys` removes it from deltas that other writers inserted. Called by load_state.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from eventstore.projection.content import AudioSpan
from eventstore.projection.handlers.conversation import part_index
from eventstore.projection.load_keys import AUDIO_KEY
from eventstore.projection.repeats import EVENT_ID_MEMBER
from eventstore.projection.state import SessionState
from eventstore.realtime.values import identifier
from eventstore.store.database.many_queries import Query
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.states.state_rows import (
    PART_EVENTS,
    PIECE_ROWS,
    STATE_EVENT_COLUMNS,
    parsed_event,
    prefix_end,
    state_row_pieces,
)

_IS_AUDIO = f"load_key >= '{AUDIO_KEY}' AND load_key < '{prefix_end(AUDIO_KEY)}'"
AUDIO_PARTS = (
    f"SELECT {STATE_EVENT_COLUMNS}, load_key, last_seq, chunks, bytes FROM events JOIN"
    " (SELECT MIN(seq) AS first_seq, MAX(seq) AS last_seq, COUNT(*) AS chunks,"
    " COALESCE(SUM(audio_bytes), 0) AS bytes FROM events"
    f" WHERE session_id = ? AND {_IS_AUDIO}"
    " AND seq <= ? GROUP BY load_key) AS parts ON seq = first_seq"
    " WHERE session_id = ? ORDER BY seq DESC"
)
AUDIO_EVENTS = (
    f"SELECT {STATE_EVENT_COLUMNS}, load_key FROM events WHERE session_id = ? AND {_IS_AUDIO}"
    f" AND seq > ? AND seq <= ? ORDER BY seq LIMIT {PIECE_ROWS}"
)
FORGET_KEY = "UPDATE events SET load_key = NULL WHERE session_id = ? AND seq = ?"
#: How many of the first columns of these rows are columns of an event.
EVENT_COLUMNS = STATE_EVENT_COLUMNS.count(",") + 1


def audio_parts_query(session_id: str, seq: int) -> Query:
    """Return the query for the first audio delta of each content part up to a seq.

    Its rows are those of `STATE_EVENT_COLUMNS`, then the load key, and the sums over all deltas of
    the part. They are ordered by seq, the last one first. Deltas of one part that name different
    responses count as several parts.
    """
    return AUDIO_PARTS, (session_id, seq, session_id)


def add_audio_span(state: SessionState, audio: dict[tuple[str, int], AudioSpan], row: Row) -> bool:
    """Note where the audio of a content part lies, of which the state has folded the first delta.

    Args:
        state: The state after this delta.
        audio: Where the audio lies, by item id and content index; it is added to.
        row: A row of `audio_parts_query`.

    Returns:
        False if the item is not part of a response, so that the other deltas must be folded as
        well.
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
    """Make the state remember the deltas of unfinished responses, as if each had been folded.

    Only then does it recognise a later delta that was delivered twice.

    Args:
        parts: The rows of `audio_parts_query` from which the state was made.
        last: The state's seq.
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
    """Return True if a part has two deltas with equal text, one of them behind a seq.

    Only a fold of every event can tell whether it is one event that was delivered twice.

    Args:
        after: The events up to this seq were folded when they were appended.
        last: The last seq to look at.
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
    """Remove the load key of deltas that were delivered twice.

    Args:
        seqs: The seqs of the deltas.
    """
    for seq in seqs:
        tx.run(FORGET_KEY, (session_id, seq))
