"""Project what is behind, and rebuild: each session in a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import ErasedError, NotFoundError
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store.append_to_stream import lock_stream
from eventstore.store.erasures import refuse_erased
from eventstore.store.load_state import load_state
from eventstore.store.read_models import write_all
from eventstore.store.transaction import read, write
from eventstore.store.workers import for_each

BEHIND = (
    "SELECT session_id FROM streams WHERE projected_seq < head_seq AND erased_at IS NULL"
    " UNION SELECT session_id FROM streams WHERE projector_version < ? AND erased_at IS NULL"
    " ORDER BY 1 LIMIT ?"
)
COUNT_BEHIND = (
    "SELECT COUNT(*) FROM streams"
    " WHERE (projected_seq < head_seq OR projector_version < ?) AND erased_at IS NULL"
)
SET_PROJECTED = "UPDATE streams SET projected_seq = ?, projector_version = ? WHERE session_id = ?"
SESSION_IDS = (
    "SELECT session_id FROM streams WHERE session_id > ? AND erased_at IS NULL"
    " ORDER BY session_id LIMIT ?"
)

_BATCH = 500


class Projected(NamedTuple):
    """One session projected.

    Attributes:
        session_id: the session.
        seq: its head.
        changed: how many of its rows were wrong, missing or too many.
    """

    session_id: str
    seq: int
    changed: int


def project_session(engine: Engine, session_id: str, only_stale: bool = False) -> Projected | None:
    """Replace a session's rows by those of its log; readers see the old or the new.

    Args:
        only_stale: leave a session alone whose rows are current.

    Returns:
        What was projected, None where nothing needed to be.

    Raises:
        NotFoundError: there is no such session. ErasedError: it was erased.
    """
    with write(engine) as tx:
        head = lock_stream(tx, session_id)
        if head is None:
            raise NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
        if head.erased_at is not None and only_stale:
            return None
        refuse_erased(tx, session_id, head.erased_at)
        current = head.projected_seq == head.seq and head.projector_version >= PROJECTOR_VERSION
        if only_stale and current:
            return None
        state = load_state(tx, session_id, head.seq, head.closed_at is not None)
        changed = write_all(tx, state, head.opened_at)
        if not current or head.projector_version != PROJECTOR_VERSION:
            tx.run(SET_PROJECTED, (head.seq, PROJECTOR_VERSION, session_id))
    return Projected(session_id, head.seq, changed)


def behind(engine: Engine, limit: int = _BATCH) -> list[str]:
    """Sessions whose rows are behind their log, or were made by an older projector."""
    with read(engine) as tx:
        return [row[0] for row in tx.rows(BEHIND, (PROJECTOR_VERSION, limit))]


def count_behind(engine: Engine) -> int:
    """How many sessions `behind` would list in the end."""
    with read(engine) as tx:
        row = tx.row(COUNT_BEHIND, (PROJECTOR_VERSION,))
    return int(row[0]) if row is not None else 0


def catch_up(engine: Engine) -> Iterator[Projected]:
    """Project every session that is behind, until none is."""
    while True:
        waiting = behind(engine)
        if not waiting:
            return
        for session_id in waiting:
            done = project_session(engine, session_id, only_stale=True)
            if done is not None:
                yield done


def session_ids(engine: Engine) -> Iterator[str]:
    """The ids of all sessions that are not erased, in order."""
    last = ""
    while True:
        with read(engine) as tx:
            rows = tx.rows(SESSION_IDS, (last, _BATCH))
        yield from (row[0] for row in rows)
        if len(rows) < _BATCH:
            return
        last = rows[-1][0]


def rebuild(engine: Engine, ids: list[str], workers: int = 1) -> Iterator[Projected]:
    """Rebuild sessions, each atomically, as they get done.

    Args:
        workers: processes to share the work; each has its own connection.

    Raises:
        NotFoundError: one of them does not exist.
    """
    done = for_each(engine, _rebuild_one, ids, workers)
    return (projected for projected in done if projected is not None)


def _rebuild_one(engine: Engine, session_id: str) -> Projected | None:
    try:
        return project_session(engine, session_id)
    except ErasedError:
        return None  # meanwhile
