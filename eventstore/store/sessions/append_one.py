"""PostgreSQL: append one frame, with the rows that it changes, in one statement if possible.

This is the shortest append: no transaction is begun. Called by append.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from eventstore.encryption.cipher import Cipher
from eventstore.realtime.frames import STORE, Frame
from eventstore.store.database.transaction import Row, autocommit, write
from eventstore.store.log.insert_events import INSERT_MOVED, MOVED, MOVED_LOG, decoded_rows
from eventstore.store.readmodels.encrypted_rows import encrypted_rows
from eventstore.store.readmodels.figure_rows import is_length_step_due
from eventstore.store.readmodels.states.state_cache import CachedState
from eventstore.store.readmodels.upsert import upsert_clauses, upsert_parameters
from eventstore.store.readmodels.write_read_models import (
    changes_of,
    mark_written,
    write_changes,
)
from eventstore.store.sessions.append_arguments import Appended
from eventstore.times import is_time

# PostgreSQL: one statement moves the head and inserts one event, or does neither.
APPEND_ONE_LOG = f"{MOVED_LOG} {INSERT_MOVED}"
APPEND_ONE = f"{MOVED} {INSERT_MOVED}"


def append_one(
    engine: Engine,
    session_id: str,
    head: int,
    frames: Sequence[Frame],
    cached: CachedState | None,
    cipher: Cipher | None,
) -> Appended | None:
    """Append one event and the changes that it makes, if possible in one statement.

    Args:
        head: The head that the stream has to have.
        frames: The frame.
        cached: The session's state; None leaves the read models to a worker.
        cipher: The cipher that encrypts the session; None for plain rows.

    Returns:
        The result; None, with nothing written, if the head was not the known one.
    """
    keys = moving(session_id, head, frames, cached)
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


def last_at(frames: Sequence[Frame]) -> int | None:
    """Return the last known time of a frame that crossed the wire."""
    for frame in reversed(frames):
        if frame.at is not None and frame.direction != STORE:
            # `decoded_rows` checks every time, but this value is used before it does.
            return frame.at if is_time(frame.at) else None
    return None


def moving(session_id: str, head: int, frames: Sequence[Frame], cached: CachedState | None) -> Row:
    """Return the parameters of the statement that moves a head, `ADVANCE` or `ADVANCE_LOG`."""
    last, at = head + len(frames), last_at(frames)
    moving = (last, at) if cached is None else (last, at, last)
    return (*moving, session_id, head)
