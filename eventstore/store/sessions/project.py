"""Write the read models of sessions that are behind, and rebuild those of others.

Each session has a transaction of its own. Called by `EventStore.project` and `EventStore.rebuild`
(verbs/upkeep.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine

from eventstore.errors import (
    ErasedError,
    EventStoreError,
    Failure,
)
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store.consumers.projections.catch_up import Projected
from eventstore.store.database.outages import attempt
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Transaction, read, read_directly
from eventstore.store.database.workers import for_each
from eventstore.store.log.heads import check_complete
from eventstore.store.log.insert_events import find_stream, lock_stream
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import refuse_erased
from eventstore.store.readmodels.day_invalidation import drop_all_days
from eventstore.store.readmodels.states.load_state import load_state
from eventstore.store.readmodels.write_read_models import rows_are_right, write_all
from eventstore.store.sessions.projection_failures import (
    COUNTS_STILL,
    clear_failure,
    due_sessions,
    note_projection_failure,
)

_OF = "SELECT s.session_id FROM streams s WHERE s.erased_at IS NULL AND s.session_id > ?"
# A union of two queries, because each of them has its own index.
BEHIND = (
    f"{_OF} AND s.projected_seq < s.head_seq UNION {_OF} AND s.projector_version < ?"
    " ORDER BY 1 LIMIT ?"
)
_NOT_FAILED = (
    " AND NOT EXISTS (SELECT 1 FROM projection_failures f"
    f" WHERE f.session_id = s.session_id AND {COUNTS_STILL})"
)
BEHIND_NOT_FAILED = (
    f"{_OF} AND s.projected_seq < s.head_seq{_NOT_FAILED}"
    f" UNION {_OF} AND s.projector_version < ?{_NOT_FAILED} ORDER BY 1 LIMIT ?"
)
COUNT_BEHIND = (
    "SELECT COUNT(*) FROM (SELECT session_id FROM streams"
    " WHERE projected_seq < head_seq AND erased_at IS NULL UNION SELECT session_id FROM streams"
    " WHERE projector_version < ? AND erased_at IS NULL) b"
)
SET_PROJECTED = "UPDATE streams SET projected_seq = ?, projector_version = ? WHERE session_id = ?"
SESSION_IDS = (
    "SELECT session_id FROM streams WHERE session_id > ? AND erased_at IS NULL"
    " ORDER BY session_id LIMIT ?"
)

_BATCH = 500
#: How many sessions that failed before are tried again by one call of `catch_up`.
_RETRIES = 20


def project_session(engine: Engine, session_id: str, only_stale: bool = False) -> Projected | None:
    """Replace a session's read models by those of its log, in one transaction.

    Readers see either the old rows or the new ones. The rows are compared first, without locking
    the session: most of those that are rebuilt are right, and appends go on meanwhile.

    Args:
        only_stale: True leaves a session alone if its rows are current.

    Returns:
        The result; None if nothing had to be done.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
        DamagedError: The log lacks events that it had when the session was projected before. The
            rows then know more than the log, and stay as they are.
    """
    if not only_stale:
        with read_directly(engine) as tx:
            if (done := _if_right(tx, session_id)) is not None:
                return done
    return write_retried(engine, lambda tx: _project(tx, session_id, only_stale))


def _if_right(tx: Transaction, session_id: str) -> Projected | None:
    """Return the result of a session whose rows are right already; None if they may be wrong."""
    head = find_stream(tx, session_id)
    if head is None or head.erased_at is not None:
        return None
    if (head.projected_seq, head.projector_version) != (head.seq, PROJECTOR_VERSION):
        return None
    check_complete(tx, session_id, head.seq)
    state = load_state(tx, session_id, head.seq, head.closed_at is not None)
    right = rows_are_right(tx, state, head.opened_at)
    return Projected(session_id, head.seq, 0) if right else None


def _project(tx: Transaction, session_id: str, only_stale: bool) -> Projected | None:
    head = lock_stream(tx, session_id)
    if head is None:
        raise no_session(session_id)
    if head.erased_at is not None and only_stale:
        return None
    refuse_erased(tx, session_id, head.erased_at)
    current = head.projected_seq == head.seq and head.projector_version >= PROJECTOR_VERSION
    if only_stale and current:
        return None
    if head.projected_seq > 0:
        check_complete(tx, session_id, head.seq)
    state = load_state(tx, session_id, head.seq, head.closed_at is not None, projects=True)
    changed = write_all(tx, state, head.opened_at)
    if not current or head.projector_version != PROJECTOR_VERSION:
        tx.run(SET_PROJECTED, (head.seq, PROJECTOR_VERSION, session_id))
        clear_failure(tx, session_id)
    return Projected(session_id, head.seq, changed)


def sessions_behind(
    engine: Engine, limit: int = _BATCH, after: str = "", failed: bool = True
) -> list[str]:
    """Return the ids of sessions whose read models are not current, in order.

    The rows are behind the log, or an older version of the projector wrote them.

    Args:
        limit: How many ids at most.
        after: Only ids that sort after this one.
        failed: False leaves out sessions whose last attempt failed.
    """
    sql = BEHIND if failed else BEHIND_NOT_FAILED
    with read(engine) as tx:
        return [row[0] for row in tx.rows(sql, (after, after, PROJECTOR_VERSION, limit))]


def count_behind(engine: Engine) -> int:
    """Return how many sessions `sessions_behind` would list without a limit."""
    with read(engine) as tx:
        row = tx.row(COUNT_BEHIND, (PROJECTOR_VERSION,))
    return int(row[0]) if row is not None else 0


def catch_up(engine: Engine, waits: bool = False) -> Iterator[Projected | Failure]:
    """Project every session that is behind. A session that fails does not stop the others.

    Args:
        waits: False tries every session. True leaves sessions that failed before alone until their
            pause is over; some of these are then tried at the end. A worker that calls this again
            and again passes True.

    Yields:
        Each session that was projected, or why it could not be.
    """
    failed: set[str] = set()
    while True:
        found = False
        for session_id in _waiting(engine, failed=not waits):
            if session_id in failed:
                continue
            found = True
            yield from _catch_up_one(engine, session_id, failed)
        if not found:
            break
    for session_id in due_sessions(engine, _RETRIES) if waits else ():
        if session_id not in failed:
            yield from _catch_up_one(engine, session_id, failed)


def _waiting(engine: Engine, failed: bool) -> Iterator[str]:
    """Yield the ids of sessions that are behind, page by page."""
    after = ""
    while found := sessions_behind(engine, after=after, failed=failed):
        yield from found
        after = found[-1]


def _catch_up_one(
    engine: Engine, session_id: str, failed: set[str]
) -> Iterator[Projected | Failure]:
    done = attempt(
        f"session {session_id}", lambda: project_session(engine, session_id, only_stale=True)
    )
    if isinstance(done, EventStoreError):
        note_projection_failure(engine, session_id, done)
        failed.add(session_id)
        yield Failure(session_id, done)
    elif done is not None:
        yield done


def all_session_ids(engine: Engine) -> Iterator[str]:
    """Yield the ids of all sessions that are not erased, in order."""
    last = ""
    while True:
        with read(engine) as tx:
            rows = tx.rows(SESSION_IDS, (last, _BATCH))
        yield from (row[0] for row in rows)
        if len(rows) < _BATCH:
            return
        last = rows[-1][0]


def rebuild(
    engine: Engine, ids: list[str], workers: int = 1, named: bool = True
) -> Iterator[Projected | Failure]:
    """Rebuild sessions, each in one transaction. A session that fails does not stop the others.

    A rebuild of all sessions also drops the sums by day at its end. They may have been computed
    from rows that were wrong.

    Args:
        ids: The sessions.
        workers: How many processes share the work; each has its own connection.
        named: True if the user named the sessions; an erased one is then a failure. False if they
            are all sessions of the store.

    Yields:
        Each session that was rebuilt, or why it could not be, in the order of `ids`.
    """
    done = for_each(engine, project_session, ids, workers)
    for session_id, result in zip(ids, done, strict=True):
        if isinstance(result, ErasedError) and not named:
            continue  # It was erased after the ids were listed.
        if isinstance(result, EventStoreError):
            note_projection_failure(engine, session_id, result)
            yield Failure(session_id, result)
        elif result is not None:
            yield result
    if not named:
        write_retried(engine, drop_all_days)
