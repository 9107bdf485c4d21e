"""Repair a session whose stream row contradicts its log, if the log says what is right.

Called by the command `repair` (verbs/upkeep.py). heads.py finds the contradictions.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import DamagedError, Failure
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.realtime.frames import STORE
from eventstore.store.database.retries import retried
from eventstore.store.database.transaction import Transaction, read, write
from eventstore.store.log.heads import (
    Fault,
    LogExtent,
    StreamRow,
    find_faults,
    read_log_extent,
    read_stream,
)
from eventstore.store.log.tombstones import refuse_erased
from eventstore.store.readmodels.states.load_state import load_state
from eventstore.store.readmodels.write_read_models import rows_of, write_all
from eventstore.store.sessions.project_session import SET_PROJECTED

LAST_EVENT_AT = (
    "SELECT at FROM events WHERE session_id = ? AND at IS NOT NULL AND direction <> ?"
    " ORDER BY seq DESC LIMIT 1"
)
SET_STREAM = (
    "UPDATE streams SET head_seq = ?, sealed_seq = ?, last_at = COALESCE(?, last_at)"
    " WHERE session_id = ?"
)


class Repaired(NamedTuple):
    """What was repaired of a session, or would be by a dry run.

    Attributes:
        session_id: The session.
        head_before: Its head as it was found.
        head: Its head now, or what it would be.
        mended: The faults that are corrected.
        unmended: The faults that stay, because the log does not say what would be right.
        changed_rows: How many rows of its read models were wrong; 0 for a dry run.
    """

    session_id: str
    head_before: int
    head: int
    mended: list[Fault]
    unmended: list[Fault]
    changed_rows: int


def repair_session(engine: Engine, session_id: str, dry_run: bool = False) -> Repaired:
    """Set a session's head to its last event, and rebuild its read models.

    Nothing is changed if an event is missing in the log, or is in it twice.

    Args:
        dry_run: True changes nothing, and returns what would be done.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
        DamagedError: An event cannot be read; nothing was changed.
    """
    return retried(lambda: _repair(engine, session_id, dry_run))


def _repair(engine: Engine, session_id: str, dry_run: bool) -> Repaired:
    with read(engine) if dry_run else write(engine) as tx:
        stream = read_stream(tx, session_id, lock=not dry_run)
        refuse_erased(tx, session_id, stream.erased_at)
        log = read_log_extent(tx, session_id)
        faults = list(find_faults(stream, log))
        unmended = [fault for fault in faults if not fault.mendable]
        if unmended or not faults:
            return Repaired(session_id, stream.head, stream.head, [], faults, 0)
        changed = 0 if dry_run else _mend(tx, session_id, stream, log)
    return Repaired(session_id, stream.head, log.last, faults, [], changed)


def repair_failure(done: Repaired) -> Failure | None:
    """Return why a session could not be repaired, or None if nothing is wrong with it now."""
    if not done.unmended:
        return None
    fault = done.unmended[0]
    error = DamagedError(done.session_id, fault.first_seq, fault.last_seq, fault.problem)
    return Failure(done.session_id, error)


def _mend(tx: Transaction, session_id: str, stream: StreamRow, log: LogExtent) -> int:
    """Correct the stream's row, project, and return how many rows of read models were wrong."""
    at = tx.row(LAST_EVENT_AT, (session_id, STORE)) if log.last > stream.head else None
    sealed = log.sealed or None
    tx.run(SET_STREAM, (log.last, sealed, at[0] if at is not None else None, session_id))
    state = load_state(tx, session_id, log.last, stream.closed_at is not None, projects=True)
    changed = write_all(tx, state, rows_of(state, stream.opened_at))
    tx.run(SET_PROJECTED, (log.last, PROJECTOR_VERSION, session_id))
    return changed
