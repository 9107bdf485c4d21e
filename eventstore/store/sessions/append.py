"""Append frames to sessions, and write the read models in the same transaction.

Called by `WritableLog` (log.py). There are three ways, from the fastest to the most general: one
statement without a transaction (PostgreSQL, one frame; `_append_one`), an UPDATE that succeeds if
the head is the known one (`_append_at_known_head`), and a lock on the stream's row
(`_append_at_head`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import ConflictError, DatabaseUnavailableError
from eventstore.projection.dirty import Dirty
from eventstore.projection.facets import Figures
from eventstore.projection.handlers.session import close_session
from eventstore.projection.state import PROJECTOR_VERSION, SessionState
from eventstore.realtime.endings import CLOSING, needs_closing_note
from eventstore.realtime.frames import STORE, Frame
from eventstore.store.consumers.projections.inline import InlineAppend, InlineProjections
from eventstore.store.database.connections.pool import is_known_distributed
from eventstore.store.database.keys import keys_of
from eventstore.store.database.retries import retried
from eventstore.store.database.transaction import Row, Transaction, write
from eventstore.store.log.heads import raise_if_head_broken
from eventstore.store.log.insert_events import (
    ADVANCE,
    ADVANCE_LOG,
    COPY_FROM,
    StreamHead,
    decoded_rows,
    insert_events,
    is_same_append,
    lock_stream,
    open_stream,
)
from eventstore.store.log.tombstones import refuse_erased
from eventstore.store.readmodels.states.load_state import catch_up_state, load_state
from eventstore.store.readmodels.states.state_cache import CachedState, StateCache
from eventstore.store.readmodels.write_read_models import (
    Changes,
    changes_of,
    rows_of,
    write_all,
    write_changes,
)
from eventstore.store.sessions.append_arguments import Append, Appended, is_unread, read_once
from eventstore.store.sessions.append_group import append_at_known_heads, known_head
from eventstore.store.sessions.append_one import append_one, last_at, moving
from eventstore.times import now

SET_HEAD = (
    "UPDATE streams SET head_seq = ?, last_at = COALESCE(?, last_at), projected_seq = ?,"
    " projector_version = ?, closed_at = COALESCE(?, closed_at) WHERE session_id = ?"
)


class _Done(NamedTuple):
    """What an append did within its transaction.

    Attributes:
        appended: Its result.
        cached: The state to cache; None if the state must be loaded again.
        projected: The projections of one's own that took part; None for none.
    """

    appended: Appended
    cached: CachedState | None
    projected: InlineAppend | None


_ANOTHER_ID = "; its id is not used again: take another session id"


def append(
    engine: Engine,
    states: StateCache | None,
    session_id: str,
    frames: Iterable[Frame],
    expected_seq: int | None = None,
    close: bool = False,
    own: InlineProjections | None = None,
) -> Appended:
    """Append frames in one transaction, and write the read models if `states` is given.

    Args:
        states: The cached states of open sessions; None leaves the read models to a worker.
        session_id: The session; its stream is created if there is none.
        frames: A sequence, or an iterator. An iterator is read once and never held as a whole.
        expected_seq: The head that the stream must have; None appends at any head.
        close: True if no more frames will come; the stream is marked as closed.
        own: Projections of one's own, which run in the same transaction; None for none.

    Raises:
        ConflictError: The head is not `expected_seq`, and the events behind it are not these
            frames.
        ErasedError: The session was erased.
        InvalidInputError: A frame has an unknown direction, or a time that is not an integer.
        BrokenHeadError: The log has events behind the head; `eventstore repair` corrects that.
        DatabaseUnavailableError: The database failed, and nothing was written.
    """
    one = read_once(Append(session_id, frames, expected_seq, close))
    try:
        return retried(lambda: _append_to_one(engine, states, one, own), lambda: is_unread(one))
    except DatabaseUnavailableError as error:
        raise_if_head_broken(engine, [session_id], error)
        raise


def _append_to_one(
    engine: Engine, states: StateCache | None, one: Append, own: InlineProjections | None
) -> Appended:
    session_id, frames, expected_seq, close = one
    cached = states.take(session_id) if states is not None else None
    inline = states is not None
    appended = None
    has_short_way = (
        own is None and engine.dialect.name == "postgresql" and not is_known_distributed(engine)
    )
    if has_short_way and isinstance(frames, Sequence) and len(frames) == 1:
        known = None if close else known_head(inline, cached, expected_seq)
        is_known, cipher = keys_of(engine).cached_cipher(session_id)
        if known is not None and is_known:
            appended = append_one(engine, session_id, known, frames, cached, cipher)
            if appended is None:
                cached = None  # The state contains an event that was not written.
    if appended is None:
        with write(engine) as tx:
            appended, cached, projected = _append(tx, inline, cached, one, own)
        _keep(own, projected, close)
    if states is not None and cached is not None:
        states.put(cached)
    return appended


def _keep(own: InlineProjections | None, projected: InlineAppend | None, closed: bool) -> None:
    if own is not None and projected is not None:
        own.keep(projected, closed)


def append_together(
    engine: Engine,
    states: StateCache | None,
    appends: Sequence[Append],
    own: InlineProjections | None = None,
) -> list[Appended]:
    """Append to several sessions in one transaction: all of it is written, or nothing.

    Many short appends are cheaper this way, because they share the cost of one commit.

    Returns:
        The results in the order of `appends`, which has one append at most for each session.

    Raises:
        ConflictError, ErasedError, InvalidInputError, BrokenHeadError, DatabaseUnavailableError: As
            for `append`; nothing was written.
    """
    appends = list(map(read_once, appends))
    try:
        return retried(
            lambda: _append_to_all(engine, states, appends, own),
            lambda: all(map(is_unread, appends)),
        )
    except DatabaseUnavailableError as error:
        raise_if_head_broken(engine, [one.session_id for one in appends], error)
        raise


def _append_to_all(
    engine: Engine,
    states: StateCache | None,
    appends: Sequence[Append],
    own: InlineProjections | None,
) -> list[Appended]:
    results: dict[int, Appended] = {}
    done: list[CachedState | None] = []
    kept: list[tuple[InlineAppend | None, bool]] = []
    with write(engine) as tx:
        # Every transaction locks streams in this order, so that two of them cannot deadlock.
        places = sorted(range(len(appends)), key=lambda place: appends[place].session_id)
        taken = [
            (appends[place], states.take(appends[place].session_id) if states is not None else None)
            for place in places
        ]
        grouped: dict[str, Appended] = {}
        if own is None and tx.postgresql and not tx.distributed:
            grouped = append_at_known_heads(tx, states is not None, taken)
        for place, (one, cached) in zip(places, taken, strict=True):
            if one.session_id in grouped:
                results[place] = grouped[one.session_id]
                done.append(cached)
                continue
            results[place], cached, projected = _append(tx, states is not None, cached, one, own)
            done.append(cached)
            kept.append((projected, one.close))
    for projected, closed in kept:
        _keep(own, projected, closed)
    if states is not None:
        for cached in filter(None, done):
            states.put(cached)
    return [results[place] for place in range(len(appends))]


def _append(
    tx: Transaction,
    inline: bool,
    cached: CachedState | None,
    append: Append,
    own: InlineProjections | None,
) -> _Done:
    """Append within the caller's transaction, at the known head if possible."""
    session_id, frames, expected_seq, close = append
    if isinstance(frames, Sequence) and frames and not close:
        known = known_head(inline, cached, expected_seq)
        if known is not None:
            done = _append_at_known_head(tx, session_id, known, frames, cached, own)
            if done is not None:
                return done
    return _append_at_head(tx, inline, cached, append, own)


def _append_at_known_head(
    tx: Transaction,
    session_id: str,
    head: int,
    frames: Sequence[Frame],
    cached: CachedState | None,
    own: InlineProjections | None,
) -> _Done | None:
    """Append if the head is still the known one; otherwise write nothing and return None."""
    keys = moving(session_id, head, frames, cached)
    if tx.run(ADVANCE if cached is not None else ADVANCE_LOG, keys) != 1:
        return None
    changes: list[Changes] = []
    state = cached.state if cached is not None else None
    projected = None if own is None else own.begin(tx, session_id, head)
    rows = _rows(tx, session_id, head, frames, state, projected)
    insert_events(tx, _with_changes(rows, cached, changes), few=len(frames) < COPY_FROM)
    if cached is not None:
        write_changes(tx, cached.state, *changes)
    if projected is not None:
        projected.write(head + len(frames))
    appended = Appended(session_id, head + 1, head + len(frames))
    return _Done(appended, cached, projected)


def _rows(
    tx: Transaction,
    session_id: str,
    head: int,
    frames: Iterable[Frame],
    state: SessionState | None,
    projected: InlineAppend | None,
) -> Iterator[Row]:
    """Return the rows of frames, which are folded and projected as they are read."""
    cipher = tx.cipher(session_id)
    if projected is None:
        return decoded_rows(session_id, head, frames, state, cipher)
    return projected.rows(decoded_rows(session_id, head, projected.frames(frames), state, cipher))


def _with_changes(
    rows: Iterator[Row], cached: CachedState | None, changes: list[Changes]
) -> Iterator[Row]:
    """Yield the rows, and then add to `changes` what they change in the read models.

    The changes are computed behind the last row, while PostgreSQL still processes the rows.
    """
    yield from rows
    if cached is not None:
        changes.append(changes_of(*cached))


def _append_at_head(
    tx: Transaction,
    inline: bool,
    cached: CachedState | None,
    append: Append,
    own: InlineProjections | None,
) -> _Done:
    """Lock the stream, or create it, and append at its head."""
    session_id, given, expected_seq, close = append
    adds_note = close and isinstance(given, Sequence) and needs_closing_note(tuple(given))
    frames = [*given, CLOSING] if adds_note else given
    head = lock_stream(tx, session_id)
    if head is not None:
        refuse_erased(tx, session_id, head.erased_at, _ANOTHER_ID)
    if expected_seq is not None and expected_seq != (head.seq if head else 0):
        return _Done(_repeated(tx, session_id, head, expected_seq, list(frames)), None, None)
    if head is None:
        head = open_stream(tx, session_id, now(), PROJECTOR_VERSION)
        refuse_erased(tx, session_id, head.erased_at, _ANOTHER_ID)
        # Another writer may have created the stream and appended to it since it was looked up.
        if expected_seq is not None and expected_seq != head.seq:
            return _Done(_repeated(tx, session_id, head, expected_seq, list(frames)), None, None)
    if adds_note and not _is_open(head):
        frames = given  # It was closed before.
    state = _state_at(tx, cached, session_id, head) if inline else None
    projected_by_own = None if own is None else own.begin(tx, session_id, head.seq)
    last_seq, last_at = _insert(tx, session_id, head.seq, frames, state, projected_by_own)
    projected, version = head.projected_seq, head.projector_version
    if state is not None:
        if close:
            close_session(state)
        current = projected == head.seq and version == PROJECTOR_VERSION
        if current:
            write_changes(tx, state, changes_of(state, head.opened_at))
        else:
            write_all(tx, state, rows_of(state, head.opened_at))
        projected, version = last_seq, PROJECTOR_VERSION
    elif close or last_seq == 0:
        # This marks the session as behind, so that a worker writes that it exists or is closed.
        projected = min(projected, last_seq - 1)
    closed_at = (last_at or now()) if close else None
    tx.run(SET_HEAD, (last_seq, last_at, projected, version, closed_at, session_id))
    if projected_by_own is not None:
        projected_by_own.write(last_seq)
    appended = Appended(session_id, head.seq + 1, last_seq)
    kept = None if state is None else CachedState(state, head.opened_at)
    return _Done(appended, kept, projected_by_own)


def _is_open(head: StreamHead) -> bool:
    return head.seq > 0 and head.closed_at is None


def _repeated(
    tx: Transaction,
    session_id: str,
    head: StreamHead | None,
    expected_seq: int,
    frames: list[Frame],
) -> Appended:
    """Return the result of an append that was already made, whose answer was lost.

    Raises:
        ConflictError: The events behind `expected_seq` are not these frames.
    """
    last_seq = expected_seq + len(frames)
    within = head is not None and expected_seq >= 0 and last_seq <= head.seq
    if within and frames and is_same_append(tx, session_id, expected_seq, frames):
        return Appended(session_id, expected_seq + 1, last_seq, repeated=True)
    raise ConflictError(session_id, expected_seq, head.seq if head else 0)


def _state_at(
    tx: Transaction, cached: CachedState | None, session_id: str, head: StreamHead
) -> SessionState:
    """Return the session's state at its head: the cached one, or one loaded from the log."""
    closed = head.closed_at is not None
    if cached is not None and cached.state.seq <= head.seq and cached.state.closed >= closed:
        if cached.state.seq < head.seq:
            catch_up_state(tx, cached.state, head.seq)
        return cached.state
    if head.seq == 0:
        dirty = Dirty(session=True)
        return SessionState(session_id, closed=closed, dirty=dirty, figures=Figures())
    return load_state(tx, session_id, head.seq, closed, projects=True)


def _insert(
    tx: Transaction,
    session_id: str,
    base: int,
    frames: Iterable[Frame],
    state: SessionState | None,
    projected: InlineAppend | None,
) -> tuple[int, int | None]:
    """Insert events, and fold them into the state if one is given.

    Returns:
        The last seq, and the last known time of a frame that crossed the wire.
    """
    decoded = _rows(tx, session_id, base, frames, state, projected)
    if isinstance(frames, Sequence):
        insert_events(tx, decoded, few=len(frames) < COPY_FROM)
        return base + len(frames), last_at(frames)
    last_seq, newest = base, None

    def passing() -> Iterator[Row]:
        nonlocal last_seq, newest
        for row in decoded:
            last_seq = row[1]
            if row[2] is not None and row[3] != STORE:
                newest = row[2]
            yield row

    insert_events(tx, passing(), few=False)
    return last_seq, newest
