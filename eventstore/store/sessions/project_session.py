"""Write the read models of sessions from their logs, of several small ones by one transaction.

A session's log is read, folded and compared before the transaction that writes: on SQLite that one
locks the whole database, and on PostgreSQL the session. Called by project.py, which finds the
sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import EventStoreError
from eventstore.projection.state import PROJECTOR_VERSION, SessionState
from eventstore.store.consumers.projections.catch_up import Projected
from eventstore.store.database.outages import attempt, is_outage
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Transaction, read_directly
from eventstore.store.log.heads import check_complete
from eventstore.store.log.insert_events import StreamHead, find_stream, lock_stream
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import count_erasures, refuse_erased
from eventstore.store.readmodels.states.audio_parts import clear_load_keys
from eventstore.store.readmodels.states.load_state import catch_up_state, load_with_repeats
from eventstore.store.readmodels.write_read_models import (
    RowsOfState,
    rows_are_right,
    rows_of,
    write_all,
)
from eventstore.store.sessions.projection_failures import clear_failure

SET_PROJECTED = "UPDATE streams SET projected_seq = ?, projector_version = ? WHERE session_id = ?"

#: Sessions of one transaction at most. The wait for the disk is then a small part of its time.
TOGETHER = 20
# Events of all sessions of one transaction; one with more has a transaction of its own.
_MOST_EVENTS = 10_000

#: What was done with a session: its error, or None if nothing had to be done.
Done = Projected | EventStoreError | None


class _Loaded(NamedTuple):
    """A session as its log was read, and what is to be written of it.

    Attributes:
        session_id: The session.
        head: The head of its stream.
        erasures: How many erasures of the session were noted; None if they were not counted.
        state: Its state at the head.
        repeated: The deltas that turned out to be repeated; see `load_with_repeats`.
        wanted: The rows that it should have.
    """

    session_id: str
    head: StreamHead
    erasures: int | None
    state: SessionState
    repeated: list[int]
    wanted: RowsOfState


def project_session(engine: Engine, session_id: str) -> Projected:
    """Give a session the read models of its log.

    Readers see either the old rows or the new ones. Most sessions that are rebuilt have the right
    rows: those are not locked, and appends go on meanwhile.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
        DamagedError: The log lacks events that it had when the session was projected before. The
            rows then know more than the log, and stay as they are.
    """
    loaded = _load_if_wrong(engine, session_id)
    if isinstance(loaded, Projected):
        return loaded
    return write_retried(engine, partial(_write, loaded=loaded))


def project_together(
    engine: Engine, ids: Sequence[str], only_stale: bool = False
) -> Iterator[tuple[str, Done]]:
    """Give sessions the read models of their logs, by few transactions.

    A session that fails does not stop the others.

    Args:
        only_stale: True leaves a session alone if its rows are current, without comparing them.

    Yields:
        Each session, and what was done with it once that is committed.

    Raises:
        EventStoreError: The whole database is away, full or locked.
    """
    load = _load_if_stale if only_stale else _load_if_wrong
    group: list[_Loaded] = []
    # All transactions that lock several streams lock them in this order; see append_group.py. An
    # id in a damaged file may be no text.
    for session_id in sorted(set(ids), key=str):
        loaded = attempt(f"session {session_id}", partial(load, engine, session_id))
        if not isinstance(loaded, _Loaded):
            yield session_id, loaded
            continue
        if loaded.head.seq + sum(other.head.seq for other in group) > _MOST_EVENTS:
            yield from _write_together(engine, group, only_stale)
            group = []
        group.append(loaded)
        # A large one is not kept in memory while others are read.
        if len(group) == TOGETHER or loaded.head.seq > _MOST_EVENTS:
            yield from _write_together(engine, group, only_stale)
            group = []
    yield from _write_together(engine, group, only_stale)


def _load_if_wrong(engine: Engine, session_id: str) -> Projected | _Loaded:
    """Return the result of a session that has the right rows, or what is to be written of it."""
    with read_directly(engine) as tx:
        head = _existing(session_id, find_stream(tx, session_id))
        refuse_erased(tx, session_id, head.erased_at)
        loaded = _load(tx, session_id, head)
        if _is_written(head) and rows_are_right(tx, session_id, loaded.wanted.rows):
            return Projected(session_id, head.seq, 0)
        return loaded._replace(erasures=count_erasures(tx, session_id))


def _load_if_stale(engine: Engine, session_id: str) -> _Loaded | None:
    """Return what is to be written of a session, or None if its rows are current."""
    with read_directly(engine) as tx:
        head = _existing(session_id, find_stream(tx, session_id))
        if not _is_stale(head):
            return None
        return _load(tx, session_id, head)._replace(erasures=count_erasures(tx, session_id))


def _load(tx: Transaction, session_id: str, head: StreamHead) -> _Loaded:
    if head.projected_seq > 0:
        check_complete(tx, session_id, head.seq)
    closed = head.closed_at is not None
    state, repeated = load_with_repeats(tx, session_id, head.seq, closed)
    return _Loaded(session_id, head, None, state, repeated, rows_of(state, head.opened_at))


def _write_together(
    engine: Engine, group: list[_Loaded], only_stale: bool
) -> Iterator[tuple[str, Done]]:
    write = _write_if_stale if only_stale else _write
    while group:
        try:
            done = write_retried(engine, partial(_write_some, write=write, group=group))
        except Exception as error:
            if is_outage(error):
                raise
            break
        yield from zip((one.session_id for one in group), done, strict=False)
        group = group[len(done) :]
    # One of these cannot be written. Each by itself, only that one fails.
    for one in group:
        work = partial(write_retried, engine, partial(write, loaded=one))
        yield one.session_id, attempt(f"session {one.session_id}", work)


def _write_some(
    tx: Transaction,
    write: Callable[[Transaction, _Loaded], Projected | None],
    group: Sequence[_Loaded],
) -> list[Projected | None]:
    """Write the rows of the first sessions of a group; of all, unless each is on another node."""
    return [write(tx, one) for one in (group[:1] if tx.distributed else group)]


def _write(tx: Transaction, loaded: _Loaded) -> Projected:
    """Lock a session, and write its rows at what is its head now."""
    session_id = loaded.session_id
    return _write_at(tx, loaded, _existing(session_id, lock_stream(tx, session_id)))


def _write_if_stale(tx: Transaction, loaded: _Loaded) -> Projected | None:
    head = _existing(loaded.session_id, lock_stream(tx, loaded.session_id))
    return _write_at(tx, loaded, head) if _is_stale(head) else None


def _write_at(tx: Transaction, loaded: _Loaded, head: StreamHead) -> Projected:
    session_id = loaded.session_id
    refuse_erased(tx, session_id, head.erased_at)
    loaded = _at_head(tx, loaded, head)
    clear_load_keys(tx, session_id, loaded.repeated)
    changed = write_all(tx, loaded.state, loaded.wanted)
    if not _is_written(head):
        tx.run(SET_PROJECTED, (head.seq, PROJECTOR_VERSION, session_id))
        clear_failure(tx, session_id)
    return Projected(session_id, head.seq, changed)


def _at_head(tx: Transaction, loaded: _Loaded, head: StreamHead) -> _Loaded:
    """Return what is to be written of a session whose stream is locked, with this head."""
    session_id, before, state = loaded.session_id, loaded.head, loaded.state
    is_same = (head.opened_at, head.closed_at) == (before.opened_at, before.closed_at)
    # Content that was read before an erasure must not come back. A state that is ahead of its head
    # is of a transaction that was rolled back.
    if (
        not is_same
        or state.seq != before.seq
        or count_erasures(tx, session_id) != loaded.erasures
        or head.seq < before.seq
    ):
        return _load(tx, session_id, head)
    if head.seq == before.seq:
        return loaded
    if head.closed_at is not None:  # The state may have ended what these events go on with.
        return _load(tx, session_id, head)
    catch_up_state(tx, state, head.seq)
    return loaded._replace(wanted=rows_of(state, head.opened_at))


def _existing(session_id: str, head: StreamHead | None) -> StreamHead:
    if head is None:
        raise no_session(session_id)
    return head


def _is_written(head: StreamHead) -> bool:
    """Return True if this version of the projector has written the rows of all events."""
    return (head.projected_seq, head.projector_version) == (head.seq, PROJECTOR_VERSION)


def _is_stale(head: StreamHead) -> bool:
    """Return True if rows are to be written that neither this version nor a newer one has."""
    is_current = head.projected_seq == head.seq and head.projector_version >= PROJECTOR_VERSION
    return head.erased_at is None and not is_current
