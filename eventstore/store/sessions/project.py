"""Write the read models of all sessions that are behind, and rebuild those of others.

Called by `EventStore.project` and `EventStore.rebuild` (verbs/read_models.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from eventstore.errors import ErasedError, EventStoreError, Failure
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store.consumers.projections.catch_up import Projected
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import read
from eventstore.store.database.workers import for_each
from eventstore.store.readmodels.day_invalidation import drop_all_days
from eventstore.store.sessions.project_session import TOGETHER, Done, project_together
from eventstore.store.sessions.projection_failures import (
    COUNTS_STILL,
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
SESSION_IDS = (
    "SELECT session_id FROM streams WHERE session_id > ? AND erased_at IS NULL"
    " ORDER BY session_id LIMIT ?"
)

_BATCH = 500
#: How many sessions that failed before are tried again by one call of `catch_up`.
_RETRIES = 20


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
        for page in _waiting(engine, failed=not waits):
            ids = [session_id for session_id in page if session_id not in failed]
            found = found or bool(ids)
            yield from _catch_up_with(engine, ids, failed)
        if not found:
            break
    for session_id in due_sessions(engine, _RETRIES) if waits else ():
        if session_id not in failed:
            yield from _catch_up_with(engine, [session_id], failed)


def _waiting(engine: Engine, failed: bool) -> Iterator[list[str]]:
    """Yield the ids of sessions that are behind, page by page."""
    after = ""
    while found := sessions_behind(engine, after=after, failed=failed):
        yield found
        after = found[-1]


def _catch_up_with(
    engine: Engine, ids: list[str], failed: set[str]
) -> Iterator[Projected | Failure]:
    for session_id, done in project_together(engine, ids, only_stale=True):
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


def rebuild_each(engine: Engine, ids: Sequence[str]) -> Iterator[Done]:
    """Yield what a rebuild did with each session, in the order of `ids`."""
    for start in range(0, len(ids), TOGETHER):
        left = deque(ids[start : start + TOGETHER])
        done: dict[str, Done] = {}
        for session_id, result in project_together(engine, tuple(left)):
            done[session_id] = result
            while left and left[0] in done:
                yield done[left.popleft()]


def rebuild(
    engine: Engine, ids: list[str], workers: int = 1, named: bool = True
) -> Iterator[Projected | Failure]:
    """Rebuild sessions. A session that fails does not stop the others.

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
    done = for_each(engine, rebuild_each, ids, workers)
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
