"""Append frames to sessions, and write the read models in the same transaction.

Called by `WritableLog` (log.py). There are three ways, from the fastest to the most general: one
statement without a transaction (PostgreSQL, one frame; `_append_one`), an UPDATE that succeeds if
the head is the known one (`_append_at_known_head`), and a lock on the stream's row
(`_append_at_head`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Engine

from eventstore.encryption.cipher import Cipher
from eventstore.errors import ConflictError, DatabaseUnavailableError
from eventstore.projection.dirty import Dirty
from eventstore.projection.facets import Figures
from eventstore.projection.handlers.session import close_session
from eventstore.projection.state import PROJECTOR_VERSION, SessionState
from eventstore.realtime.frames import STORE, Frame
from eventstore.store.database.connections.pool import is_known_distributed
from eventstore.store.database.keys import keys_of
from eventstore.store.database.retries import retried
from eventstore.store.database.transaction import Row, Transaction, autocommit, write
from eventstore.store.log.heads import raise_if_head_broken
from eventstore.store.log.insert_events import (
    ADVANCE,
    ADVANCE_LOG,
    COPY_FROM,
    INSERT_MOVED,
    MOVED,
    MOVED_LOG,
    StreamHead,
    decoded_rows,
    insert_events,
    is_same_append,
    lock_stream,
    open_stream,
)
from eventstore.store.log.tombstones import refuse_erased
from eventstore.store.readmodels.encrypted_rows import encrypted_rows
from eventstore.store.readmodels.figure_rows import is_length_step_due
from eventstore.store.readmodels.states.load_state import catch_up_state, load_state
from eventstore.store.readmodels.states.state_cache import CachedState, StateCache
from eventstore.store.readmodels.upsert import upsert_clauses, upsert_parameters
from eventstore.store.readmodels.write_read_models import (
    Changes,
    changes_of,
    mark_written,
    write_all,
    write_changes,
)
from eventstore.store.sessions.append_arguments import Append, Appended, is_unread, read_once
from eventstore.times import is_time, now

# PostgreSQL: one statement moves the head and inserts one event, or does neither.
APPEND_ONE_LOG = f"{MOVED_LOG} {INSERT_MOVED}"
APPEND_ONE = f"{MOVED} {INSERT_MOVED}"
SET_HEAD = (
    "UPDATE streams SET head_seq = ?, last_at = COALESCE(?, last_at), projected_seq = ?,"
    " projector_version = ?, closed_at = COALESCE(?, closed_at) WHERE session_id = ?"
)


_ANOTHER_ID = "; its id is not used again: take another session id"


def append(
    engine: Engine,
    states: StateCache | None,
    session_id: str,
    frames: Iterable[Frame],
    expected_seq: int | None = None,
    close: bool = False,
) -> Appended:
    """Append frames in one transaction, and write the read models if `states` is given.

    Args:
        states: The cached states of open sessions; None leaves the read models to a worker.
        session_id: The session; its stream is created if there is none.
        frames: A sequence, or an iterator. An iterator is read once and never held as a whole.
        expected_seq: The head that the stream must have; None appends at any head.
        close: True if no more frames will come; the stream is marked as closed.

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
        return retried(lambda: _append_to_one(engine, states, one), lambda: is_unread(one))
    except DatabaseUnavailableError as error:
        raise_if_head_broken(engine, [session_id], error)
        raise


def _append_to_one(engine: Engine, states: StateCache | None, one: Append) -> Appended:
    session_id, frames, expected_seq, close = one
    cached = states.take(session_id) if states is not None else None
    inline = states is not None
    appended = None
    has_short_way = engine.dialect.name == "postgresql" and not is_known_distributed(engine)
    if has_short_way and isinstance(frames, Sequence) and len(frames) == 1:
        known = None if close else _known_head(inline, cached, expected_seq)
        is_known, cipher = keys_of(engine).cached_cipher(session_id)
        if known is not None and is_known:
            appended = _append_one(engine, session_id, known, frames, cached, cipher)
            if appended is None:
                cached = None  # The state contains an event that was not written.
    if appended is None:
        with write(engine) as tx:
            appended, cached = _append(tx, inline, cached, one)
    if states is not None and cached is not None:
        states.put(cached)
    return appended


def append_together(
    engine: Engine, states: StateCache | None, appends: Sequence[Append]
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
            lambda: _append_to_all(engine, states, appends), lambda: all(map(is_unread, appends))
        )
    except DatabaseUnavailableError as error:
        raise_if_head_broken(engine, [one.session_id for one in appends], error)
        raise


def _append_to_all(
    engine: Engine, states: StateCache | None, appends: Sequence[Append]
) -> list[Appended]:
    results: dict[str, Appended] = {}
    done: list[CachedState | None] = []
    with write(engine) as tx:
        # Every transaction locks streams in this order, so that two of them cannot deadlock.
        for one in sorted(appends, key=lambda one: one.session_id):
            cached = states.take(one.session_id) if states is not None else None
            results[one.session_id], cached = _append(tx, states is not None, cached, one)
            done.append(cached)
    if states is not None:
        for cached in filter(None, done):
            states.put(cached)
    return [results[one.session_id] for one in appends]


def _append(
    tx: Transaction, inline: bool, cached: CachedState | None, append: Append
) -> tuple[Appended, CachedState | None]:
    """Append within the caller's transaction, at the known head if possible.

    Returns:
        The result, and the state to cache; None if the state must be loaded again.
    """
    session_id, frames, expected_seq, close = append
    if isinstance(frames, Sequence) and frames and not close:
        known = _known_head(inline, cached, expected_seq)
        if known is not None and _append_at_known_head(tx, session_id, known, frames, cached):
            return Appended(session_id, known + 1, known + len(frames)), cached
    return _append_at_head(tx, inline, cached, session_id, frames, expected_seq, close)


def _known_head(inline: bool, cached: CachedState | None, expected_seq: int | None) -> int | None:
    """Return the head that the stream should have, or None if it must be read from the database."""
    head = expected_seq
    if inline:
        head = cached.state.seq if cached is not None else None
        if expected_seq is not None and expected_seq != head:
            return None
    return head or None


def _append_at_known_head(
    tx: Transaction,
    session_id: str,
    head: int,
    frames: Sequence[Frame],
    cached: CachedState | None,
) -> bool:
    """Append if the head is still the known one; otherwise write nothing and return False."""
    keys = _moving(session_id, head, frames, cached)
    if tx.run(ADVANCE if cached is not None else ADVANCE_LOG, keys) != 1:
        return False
    changes: list[Changes] = []
    state = cached.state if cached is not None else None
    rows = decoded_rows(session_id, head, frames, state, tx.cipher(session_id))
    insert_events(tx, _with_changes(rows, cached, changes), few=len(frames) < COPY_FROM)
    if cached is not None:
        write_changes(tx, cached.state, *changes)
    return True


def _moving(session_id: str, head: int, frames: Sequence[Frame], cached: CachedState | None) -> Row:
    """Return the parameters of the statement that moves a head."""
    last, at = head + len(frames), _last_at(frames)
    moving = (last, at) if cached is None else (last, at, last)
    return (*moving, session_id, head)


def _with_changes(
    rows: Iterator[Row], cached: CachedState | None, changes: list[Changes]
) -> Iterator[Row]:
    """Yield the rows, and then add to `changes` what they change in the read models.

    The changes are computed behind the last row, while PostgreSQL still processes the rows.
    """
    yield from rows
    if cached is not None:
        changes.append(changes_of(*cached))


def _append_one(
    engine: Engine,
    session_id: str,
    head: int,
    frames: Sequence[Frame],
    cached: CachedState | None,
    cipher: Cipher | None,
) -> Appended | None:
    """PostgreSQL: append one event and the changes that it makes, if possible in one statement.

    Returns:
        The result; None, with nothing written, if the head was not the known one.
    """
    keys = _moving(session_id, head, frames, cached)
    state = cached.state if cached is not None else None
    event = next(decoded_rows(session_id, head, frames, state, cipher))[1:]
    moved = _move_with(engine, keys, event, cached, cipher)
    return Appended(session_id, head + 1, head + 1) if moved else None


def _move_with(
    engine: Engine, keys: Row, event: Row, cached: CachedState | None, cipher: Cipher | None
) -> bool:
    if cached is None or not (cached.state.dirty or is_length_step_due(cached.state)):
        with autocommit(engine) as tx:
            return tx.run(APPEND_ONE_LOG if cached is None else APPEND_ONE, (*keys, *event)) == 1
    state, opened_at = cached
    changes = changes_of(state, opened_at)
    if changes.only_puts():
        rows = changes.rows if cipher is None else encrypted_rows(cipher, changes.rows)
        names, put = upsert_parameters(rows)
        with autocommit(engine) as tx:
            clauses = f", {upsert_clauses(names, 'moved, ')}" if names else ""
            moved = tx.run(f"{MOVED}{clauses} {INSERT_MOVED}", (*keys, *put, *event)) == 1
        mark_written(state, changes.tags)
        return moved
    with write(engine) as tx:
        moved = tx.run(APPEND_ONE, (*keys, *event)) == 1
        if moved:
            write_changes(tx, state, changes)
    return moved


def _last_at(frames: Sequence[Frame]) -> int | None:
    """Return the last known time of a frame that crossed the wire."""
    for frame in reversed(frames):
        if frame.at is not None and frame.direction != STORE:
            # `decoded_rows` checks every time, but this value is used before it does.
            return frame.at if is_time(frame.at) else None
    return None


def _append_at_head(
    tx: Transaction,
    inline: bool,
    cached: CachedState | None,
    session_id: str,
    frames: Iterable[Frame],
    expected_seq: int | None,
    close: bool,
) -> tuple[Appended, CachedState | None]:
    """Lock the stream, or create it, and append at its head."""
    head = lock_stream(tx, session_id)
    if head is not None:
        refuse_erased(tx, session_id, head.erased_at, _ANOTHER_ID)
    if expected_seq is not None and expected_seq != (head.seq if head else 0):
        return _repeated(tx, session_id, head, expected_seq, list(frames)), None
    if head is None:
        head = open_stream(tx, session_id, now(), PROJECTOR_VERSION)
        refuse_erased(tx, session_id, head.erased_at, _ANOTHER_ID)
        # Another writer may have created the stream and appended to it since it was looked up.
        if expected_seq is not None and expected_seq != head.seq:
            return _repeated(tx, session_id, head, expected_seq, list(frames)), None
    state = _state_at(tx, cached, session_id, head) if inline else None
    last_seq, last_at = _insert(tx, session_id, head.seq, frames, state)
    projected, version = head.projected_seq, head.projector_version
    if state is not None:
        if close:
            close_session(state)
        current = projected == head.seq and version == PROJECTOR_VERSION
        if current:
            write_changes(tx, state, changes_of(state, head.opened_at))
        else:
            write_all(tx, state, head.opened_at)
        projected, version = last_seq, PROJECTOR_VERSION
    elif close or last_seq == 0:
        # This marks the session as behind, so that a worker writes that it exists or is closed.
        projected = min(projected, last_seq - 1)
    closed_at = (last_at or now()) if close else None
    tx.run(SET_HEAD, (last_seq, last_at, projected, version, closed_at, session_id))
    result = Appended(session_id, head.seq + 1, last_seq)
    return result, None if state is None else CachedState(state, head.opened_at)


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
) -> tuple[int, int | None]:
    """Insert events, and fold them into the state if one is given.

    Returns:
        The last seq, and the last known time of a frame that crossed the wire.
    """
    decoded = decoded_rows(session_id, base, frames, state, tx.cipher(session_id))
    if isinstance(frames, Sequence):
        insert_events(tx, decoded, few=len(frames) < COPY_FROM)
        return base + len(frames), _last_at(frames)
    last_seq, last_at = base, None

    def passing() -> Iterator[Row]:
        nonlocal last_seq, last_at
        for row in decoded:
            last_seq = row[1]
            if row[2] is not None and row[3] != STORE:
                last_at = row[2]
            yield row

    insert_events(tx, passing(), few=False)
    return last_seq, last_at
