"""Write the read models of sessions from their logs, of several small ones by one transaction.

Called by project.py, which finds the sessions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import Engine

from eventstore.errors import EventStoreError
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store.consumers.projections.catch_up import Projected
from eventstore.store.database.outages import attempt, is_outage
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Transaction, read_directly
from eventstore.store.log.heads import check_complete
from eventstore.store.log.insert_events import StreamHead, find_stream, lock_stream
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import refuse_erased
from eventstore.store.readmodels.states.load_state import load_state
from eventstore.store.readmodels.write_read_models import rows_are_right, write_all
from eventstore.store.sessions.projection_failures import clear_failure

SET_PROJECTED = "UPDATE streams SET projected_seq = ?, projector_version = ? WHERE session_id = ?"

#: Sessions of one transaction at most. The wait for the disk is then a small part of its time.
TOGETHER = 20
# Events of one transaction's sessions at most. Appends to its first session wait for its end.
_MOST_EVENTS = 10_000


def project_session(engine: Engine, session_id: str) -> Projected:
    """Make a session's read models equal to those of its log.

    Readers see either the old rows or the new ones. The rows are compared first, without locking
    the session: most of those that are rebuilt are right, and appends go on meanwhile.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
        DamagedError: The log lacks events that it had when the session was projected before. The
            rows then know more than the log, and stay as they are.
    """
    if (right := find_right(engine, session_id)) is not None:
        return right
    return write_retried(engine, lambda tx: _project(tx, session_id, lock_stream(tx, session_id)))


def project_together(
    engine: Engine, ids: Sequence[str], only_stale: bool = False
) -> Iterator[tuple[str, Projected | EventStoreError | None]]:
    """Make the read models of sessions equal to those of their logs, by few transactions.

    A session that fails does not stop the others. One with many events has a transaction of its
    own.

    Args:
        only_stale: True leaves a session alone if its rows are current.

    Yields:
        Each session, and what was done with it once that is committed: its error, or None if
        nothing had to be done.

    Raises:
        EventStoreError: The whole database is away, full or locked.
    """
    # All transactions that lock several streams lock them in this order; see append_group.py.
    left = sorted(set(ids))
    while left:
        group = left[:TOGETHER]
        try:
            work = partial(_project_some, ids=group, only_stale=only_stale)
            done = write_retried(engine, work)
        except Exception as error:
            if is_outage(error):
                raise
            yield from _project_each(engine, group, only_stale)
            left = left[len(group) :]
        else:
            yield from done
            left = left[len(done) :]


def _project_some(
    tx: Transaction, ids: Sequence[str], only_stale: bool
) -> list[tuple[str, Projected | None]]:
    """Project the first sessions, as many as one transaction should have; one at least."""
    project = _project_stale if only_stale else _project
    done: list[tuple[str, Projected | None]] = []
    events = 0
    # A distributed database would have to commit on each session's node.
    for session_id in ids[:1] if tx.distributed else ids:
        head = lock_stream(tx, session_id)
        events += head.seq if head is not None else 0
        if done and events > _MOST_EVENTS:
            break
        done.append((session_id, project(tx, session_id, head)))
    return done


def _project_each(
    engine: Engine, ids: Sequence[str], only_stale: bool
) -> Iterator[tuple[str, Projected | EventStoreError | None]]:
    """Project each session by a transaction of its own, so that only those fail that have to."""
    for session_id in ids:
        work = partial(_project_some, ids=[session_id], only_stale=only_stale)
        done = attempt(f"session {session_id}", partial(write_retried, engine, work))
        yield (session_id, done) if isinstance(done, EventStoreError) else done[0]


def find_right(engine: Engine, session_id: str) -> Projected | None:
    """Return the result of a session whose rows are right already; None if they may be wrong.

    Raises:
        DamagedError: As `project_session`.
    """
    with read_directly(engine) as tx:
        head = find_stream(tx, session_id)
        if head is None or head.erased_at is not None:
            return None
        if (head.projected_seq, head.projector_version) != (head.seq, PROJECTOR_VERSION):
            return None
        check_complete(tx, session_id, head.seq)
        state = load_state(tx, session_id, head.seq, head.closed_at is not None)
        right = rows_are_right(tx, state, head.opened_at)
        return Projected(session_id, head.seq, 0) if right else None


def _project_stale(tx: Transaction, session_id: str, head: StreamHead | None) -> Projected | None:
    if head is not None and (head.erased_at is not None or _is_current(head)):
        return None
    return _project(tx, session_id, head)


def _project(tx: Transaction, session_id: str, head: StreamHead | None) -> Projected:
    """Write the read models of a session whose stream is locked."""
    if head is None:
        raise no_session(session_id)
    refuse_erased(tx, session_id, head.erased_at)
    if head.projected_seq > 0:
        check_complete(tx, session_id, head.seq)
    state = load_state(tx, session_id, head.seq, head.closed_at is not None, projects=True)
    changed = write_all(tx, state, head.opened_at)
    if not _is_current(head) or head.projector_version != PROJECTOR_VERSION:
        tx.run(SET_PROJECTED, (head.seq, PROJECTOR_VERSION, session_id))
        clear_failure(tx, session_id)
    return Projected(session_id, head.seq, changed)


def _is_current(head: StreamHead) -> bool:
    return head.projected_seq == head.seq and head.projector_version >= PROJECTOR_VERSION
