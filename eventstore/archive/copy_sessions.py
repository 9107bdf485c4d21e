"""Copy sessions to another store, or move them there.

Each session is written to the target in one transaction, and read again there before the commit.
Called by `EventStore.copy`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Literal, NamedTuple

from sqlalchemy import Engine

from eventstore.archive.verifying.checked_digest import BrokenLogError, checked_digest
from eventstore.errors import (
    DamagedError,
    EventStoreError,
    InvalidInputError,
)
from eventstore.realtime.frames import Frame
from eventstore.store.database.identity import DatabaseIdentity, is_same_database, read_identity
from eventstore.store.database.keys import keys_of
from eventstore.store.database.outages import attempt
from eventstore.store.database.retries import retried, write_retried
from eventstore.store.database.transaction import Transaction, read, write
from eventstore.store.log.read_events import read_events, read_rows, rows_in
from eventstore.store.log.segments.read_segments import digest_start, read_segments
from eventstore.store.log.session_facts import no_session
from eventstore.store.maintenance.scrub import delete_left_bytes
from eventstore.store.sessions.copy_session import (
    SessionFacts,
    delete_session,
    insert_session,
    read_erasures,
    read_facts,
    stored_segments,
)

CopyStatus = Literal["copied", "continued", "exists"]

# Attempts for a session that another process seals, unseals or copies at the same time.
_TRIES = 5
# A copy gives up if it waits longer than this for a lock; the session then stays in the source.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '30s'"


class Copied(NamedTuple):
    """What was done with one session.

    Attributes:
        session_id: The session.
        status: `copied`; `continued` if the target had its beginning; `exists` if the target had
            an equal session, so that nothing was written.
        events: How many events the session has.
        deleted: True if the session was deleted from the source.
    """

    session_id: str
    status: CopyStatus
    events: int
    deleted: bool = False


class _ChangedError(EventStoreError):
    """Raised if another process changed the session while it was copied."""


class OtherContentsError(EventStoreError):
    """Raised if the target has other events under the same session id, or erased the session."""


def copy_sessions(
    source: Engine,
    target: Engine,
    session_ids: Iterable[str],
    then_delete: bool = False,
    dry_run: bool = False,
) -> Iterator[Copied | EventStoreError]:
    """Copy closed sessions to another store, and delete them from the source if asked.

    Args:
        source, target: The two databases.
        session_ids: The sessions, in the order in which they are copied.
        then_delete: Delete each session from the source after the target gave back the same
            events.
        dry_run: Change nothing, and return what would be done.

    Returns:
        An iterator over the results, one for each session: what was done, or the error that
        prevented it (the session is open or damaged, for example).

    Raises:
        InvalidInputError: Source and target are one database, or the source is encrypted and the
            target does not have the same keys.
        DatabaseUnavailableError: One of the databases cannot be reached.
    """
    writing = None if dry_run else partial(write_retried, target)
    if is_same_database(partial(_identity, source), partial(_identity, target), writing):
        raise InvalidInputError("source and target are the same database; name another")
    here, there = keys_of(source).engine, keys_of(target).engine
    if here is not None and (there is None or here.url != there.url):
        raise InvalidInputError("the target of what is encrypted needs keys, too: the same ones")
    moves = then_delete and not dry_run
    return (
        attempt(
            f"session {session_id}",
            partial(_copy_or_move, source, target, session_id, moves, dry_run),
        )
        for session_id in session_ids
    )


def _identity(engine: Engine) -> DatabaseIdentity:
    with read(engine) as tx:
        return read_identity(tx)


def _copy_or_move(
    source: Engine, target: Engine, session_id: str, moves: bool, dry_run: bool
) -> Copied:
    """Copy a session, and delete it from the source if `moves` is True."""
    done = _copy(source, target, session_id, dry_run)
    if not moves:
        return done
    deleted = retried(lambda: _delete(source, target, session_id))
    # It is no part of what is tried again: the session is gone from the source by now.
    delete_left_bytes(source, session_id)
    return done._replace(deleted=deleted)


def _copy(source: Engine, target: Engine, session_id: str, dry_run: bool) -> Copied:
    """Copy a session. Try again if another process changes it meanwhile."""
    copying = partial(_copy_once, source, target, session_id, dry_run)
    for _ in range(_TRIES - 1):
        try:
            return retried(copying)
        except _ChangedError:
            continue
    return retried(copying)


def _copy_once(source: Engine, target: Engine, session_id: str, dry_run: bool) -> Copied:
    here, there = _read_facts(source, session_id), _read_facts(target, session_id)
    if here is None:
        if there is None:
            raise no_session(session_id)
        return Copied(session_id, "exists", there.head_seq)
    if here.closed_at is None:
        raise InvalidInputError(f"session {session_id} is open; copy it once it is closed")
    _refuse_erased(target, session_id, here)
    status = _compare(source, target, session_id, here, there)
    if status != "exists" and not dry_run:
        digest = _digest(source, session_id, here.head_seq)
        try:
            _write_to_target(source, target, session_id, here, there, digest)
        except (DamagedError, BrokenLogError) as error:
            # If another process sealed or unsealed the session meanwhile, events were missing in
            # what was read. The transaction was rolled back, so the copy can be tried again.
            if _read_facts(source, session_id) != here:
                raise _changed(session_id) from error
            raise
    return Copied(session_id, status, here.head_seq)


def _read_facts(engine: Engine, session_id: str) -> SessionFacts | None:
    with read(engine) as tx:
        return read_facts(tx, session_id)


def _refuse_erased(target: Engine, session_id: str, here: SessionFacts) -> None:
    """Raise OtherContentsError if a copy would bring back what was erased in the target."""
    with read(target) as tx:
        erased = read_erasures(tx, session_id)
    if not set(erased) <= set(here.erasures):
        raise OtherContentsError(
            f"session {session_id} was erased in the target, wholly or in part; it is not copied"
        )


def _compare(
    source: Engine, target: Engine, session_id: str, here: SessionFacts, there: SessionFacts | None
) -> CopyStatus:
    if there is None:
        return "copied"
    equal = there.head_seq == here.head_seq
    if there.head_seq <= here.head_seq and _digest(
        source, session_id, there.head_seq, trust=equal
    ) == _digest(target, session_id, there.head_seq, trust=equal):
        return "exists" if equal else "continued"
    raise OtherContentsError(
        f"session {session_id} has other contents in the target ({there.head_seq} events, here"
        f" {here.head_seq}); both are as they were"
    )


def _digest(engine: Engine, session_id: str, last: int, trust: bool = False) -> bytes:
    """Return the digest of a session's events up to `last`.

    Args:
        trust: Believe the digests that the segments state. Otherwise all events are read.
    """
    with read(engine) as tx:
        known = read_segments(tx, session_id)
    start = digest_start(known, last) if trust else None
    rows = read_rows(engine, session_id, start.first if start else 1, last)
    return checked_digest(session_id, rows, last, known, start)


def _write_to_target(
    source: Engine,
    target: Engine,
    session_id: str,
    here: SessionFacts,
    there: SessionFacts | None,
    digest: bytes,
) -> None:
    """Write a session to the target in place of its beginning there, and read it again."""
    sealed = here.sealed_seq or 0
    packed = stored_segments(source, session_id, sealed)
    events = read_events(source, session_id, sealed + 1, here.head_seq)
    with write(target) as tx:
        _limit_waits(tx)
        if read_facts(tx, session_id, lock=True) != there:
            raise _changed(session_id)
        if there is not None:
            delete_session(tx, session_id)
        tail = (Frame(event.direction, event.text, event.at) for event in events)
        if not insert_session(tx, session_id, here, packed, tail):
            raise _changed(session_id)
        if _digest_of_copy(tx, session_id, here.head_seq) != digest:
            problem = f"session {session_id}: the target gave back other events; nothing was kept"
            raise BrokenLogError(problem)


def _digest_of_copy(tx: Transaction, session_id: str, last: int) -> bytes:
    rows = rows_in(tx, session_id, 1, last)
    return checked_digest(session_id, rows, last, read_segments(tx, session_id))


def _delete(source: Engine, target: Engine, session_id: str) -> bool:
    """Delete a session from the source if the target has the same events. Return True if done.

    The session is locked in the target until it is deleted in the source. So no other process can
    move it back meanwhile.
    """
    here, there = _read_facts(source, session_id), _read_facts(target, session_id)
    if here is None:
        return False
    if there is None or _digest(source, session_id, here.head_seq) != _digest(
        target, session_id, here.head_seq
    ):
        raise _changed(session_id)
    with write(target) as other, write(source) as tx:
        _limit_waits(other)
        _limit_waits(tx)
        if (
            read_facts(other, session_id, lock=True) != there
            or read_facts(tx, session_id, lock=True) != here
        ):
            raise _changed(session_id)
        delete_session(tx, session_id)
    return True


def _limit_waits(tx: Transaction) -> None:
    """Limit the waits for locks; on SQLite the driver limits them."""
    if tx.postgresql:
        tx.run(_LOCK_TIMEOUT)


def _changed(session_id: str) -> _ChangedError:
    return _ChangedError(
        f"session {session_id} changed while it was copied; it is still here; run it again"
    )
