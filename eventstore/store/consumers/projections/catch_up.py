"""Run projections of one's own on the sessions that are behind, and rebuild them.

A worker takes a session by a claim, which counts as a failed try until it has written the rows: so
a session that kills its worker is left alone for a while, and stops no other session. The rows are
written with the checkpoint in one transaction, by whoever still has the session. Called by the
verbs `project` and `rebuild`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.common.unforeseen import as_store_error
from eventstore.errors import (
    ErasedError,
    EventStoreError,
    Failure,
    NotFoundError,
    ProjectionError,
)
from eventstore.store.consumers.checkpoints import (
    Checkpoint,
    begin_checkpoint,
    claim,
    make_anew,
    move,
    note_failure,
    read_checkpoint,
    release,
)
from eventstore.store.consumers.consumers import find_consumer, move_pass
from eventstore.store.consumers.news import News, in_pass, settle, with_news
from eventstore.store.consumers.passes import look_at_pass
from eventstore.store.consumers.projections.kept_states import KeptState, KeptStates
from eventstore.store.consumers.projections.projected_rows import KeyedRows
from eventstore.store.consumers.projections.projection import folds
from eventstore.store.consumers.projections.projection_run import RunningProjection
from eventstore.store.consumers.projections.write_projected import read_rows, write_rows
from eventstore.store.database.outages import attempt, is_outage
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.log.insert_events import lock_stream
from eventstore.store.log.read_events import read_events
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import refuse_erased
from eventstore.times import now

#: Returns the resources of a session after an event, for projections of whole sessions.
Resources = Callable[[Engine, str, int], dict[str, Any]]

#: How long the code of a projection may take for a batch of events, or for a session's rows.
MOST_SECONDS = 60.0
#: For how many microseconds a worker has a session, at least; longer while it works on it.
LEASE = 5 * 60 * 1_000_000
#: PostgreSQL: how long a worker waits for somebody who has locked a table of the projection.
LIMIT_WAIT = "SET LOCAL lock_timeout = '1s'"
_BATCH = 500
_PAGE = 200
#: How often a rebuild follows a session that is appended to.
_MOST_FOLLOWED = 10


class Projected(NamedTuple):
    """The result of projecting one session.

    Attributes:
        session_id: The session.
        seq: The seq of its last event.
        changed: How many rows were wrong, missing or too many.
        projection: The name of a projection of one's own; None for the store's read models.
    """

    session_id: str
    seq: int
    changed: int
    projection: str | None = None


class ProjectionWorker:
    """Runs one projection on the sessions that are behind.

    Args:
        engine: The engine of the database.
        own: The projection.
        resources: Makes the resources of sessions.
    """

    def __init__(self, engine: Engine, own: RunningProjection, resources: Resources) -> None:
        self._engine, self._own, self._resources = engine, own, resources
        self._folds = folds(own.projection)
        self.name = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._states = KeptStates()

    def catch_up(self, waits: bool = False) -> Iterator[Projected | Failure]:
        """Project each session that is behind. A session that fails does not stop the others.

        Sessions that failed before come last: one of them may end the process. If the code does not
        return from a session, the others are left to workers in other processes.

        Args:
            waits: True leaves sessions that failed before alone until their pause is over, and
                those that another worker has.

        Yields:
            Each session that was projected, or why it could not be.
        """
        tried: set[str] = set()
        yield from self._catch_up(tried, waits=True)
        if not waits:
            yield from self._catch_up(tried, waits=False)

    def _catch_up(self, tried: set[str], waits: bool) -> Iterator[Projected | Failure]:
        yield from self._pass_over_all(tried, waits)
        after = ""
        while page := self._page(after, waits):
            for news in page:
                if self._own.is_late():
                    return
                if news.session_id not in tried:
                    yield from self._attempt(news, tried, waits)
            settle(self._engine, [news.session_id for news in page])
            after = page[-1].session_id
            yield from self._pass_over_all(tried, waits)

    def _page(self, after: str, waits: bool) -> list[News]:
        with read(self._engine) as tx:
            return with_news(tx, self._own.name, self._own.version, _PAGE, after, waits)

    def _pass_over_all(self, tried: set[str], waits: bool) -> Iterator[Projected | Failure]:
        """Pass over all sessions once, if the projection is new, or was left out for a while."""
        while (after := look_at_pass(self._engine, self._own.name).place) is not None:
            with read(self._engine) as tx:
                page = in_pass(tx, self._own.name, _PAGE, after)
            for news in page:
                if self._own.is_late():
                    return
                if news.is_behind(self._own.version) and news.session_id not in tried:
                    yield from self._attempt(news, tried, waits)
            settle(self._engine, [news.session_id for news in page if news.fed < news.head])
            passed = page[-1].session_id if page else None
            write_retried(self._engine, partial(move_pass, name=self._own.name, passed=passed))

    def _attempt(self, news: News, tried: set[str], waits: bool) -> Iterator[Projected | Failure]:
        """Project a session; add it to `tried` if it failed, so that it fails once a call."""
        id_ = news.session_id
        done = attempt(f"session {id_}", lambda: self.project(id_, waits=waits))
        if isinstance(done, ErasedError | NotFoundError):
            return  # It was erased or moved away since it was found.
        if isinstance(done, EventStoreError):
            tried.add(id_)
            yield Failure(id_, done)
        elif done is not None:
            yield done

    def forget(self, session_id: str) -> None:
        """Keep no state of a session, which has ended, failed or been erased."""
        self._states.forget(session_id)

    def rebuild(self, session_id: str) -> Projected:
        """Make all rows of a session anew, also while it is appended to.

        Raises:
            ProjectionError: The projection failed; or another worker has the session.
            NotFoundError, ErasedError, DamagedError, MissingKeyError: The session cannot be read.
        """
        try:
            done = self.project(session_id, anew=True)
        except ProjectionError as error:
            if error.kind != "ConflictError":
                raise
            # Appends moved the checkpoint in the meantime. From now on they leave the session.
            write_retried(self._engine, lambda tx: make_anew(tx, session_id, self._own.name, now()))
            done = self.project(session_id, anew=True)
        if done is None:
            told = "is not rebuilt: another worker has it; one that was killed, for five minutes"
            raise ProjectionError(self._own.name, session_id, "ConflictError", told)
        for _ in range(_MOST_FOLLOWED):  # Up to the head, so that appends take it up again.
            after = self.project(session_id)
            if after is None:
                break
            done = after._replace(changed=done.changed + after.changed)
        return done

    def project(self, session_id: str, anew: bool = False, waits: bool = False) -> Projected | None:
        """Project one session up to its last event.

        Args:
            anew: True makes all of its rows anew, also if they are current: a rebuild.
            waits: True leaves it alone if it failed before, until its pause is over.

        Returns:
            What was done; None if the session is current, another worker has it, or the projection
            was dropped.

        Raises:
            ProjectionError: The projection failed; the session is tried again later.
            NotFoundError, ErasedError, DamagedError, MissingKeyError: The session cannot be read.
        """
        known = write_retried(self._engine, lambda tx: self._claim(tx, session_id, anew, waits))
        if known is None:
            return None
        try:
            return self._project(session_id, known, anew)
        except BaseException as error:
            self.forget(session_id)
            if isinstance(error, Exception) and not is_outage(error):
                failed = as_store_error(f"session {session_id}", error)
                kind = Failure(session_id, failed).kind
                write_retried(self._engine, lambda tx: self._note(tx, session_id, kind))
            else:  # The database is away, or Ctrl-C: it is not the session's fault.
                self._release(session_id)
            raise

    def _claim(
        self, tx: Transaction, session_id: str, anew: bool, waits: bool
    ) -> Checkpoint | None:
        name, version = self._own.name, self._own.version
        head = lock_stream(tx, session_id)
        if head is None:
            raise no_session(session_id)
        refuse_erased(tx, session_id, head.erased_at)
        consumer = find_consumer(tx, name)
        if consumer is None or consumer.version != version:
            return None  # It was dropped, or replaced by a newer version, in the meantime.
        begin_checkpoint(tx, session_id, name, 0, version)
        known = read_checkpoint(tx, session_id, name)
        if known is None or known.version > version:
            return None
        if not anew and (known.seq, known.version) == (head.seq, version):
            return None
        is_mine = claim(tx, session_id, name, known, self.name, now(), LEASE, waits)
        return known if is_mine else None

    def _project(self, session_id: str, known: Checkpoint, anew: bool) -> Projected:
        with read(self._engine) as tx:
            head, is_closed = _head(tx, session_id)
        made = self._made(session_id, known, head, anew)
        if is_closed:
            self.forget(session_id)  # Hardly anything will come behind its end.
        changed = write_retried(
            self._engine, lambda tx: self._write(tx, session_id, known, head, made)
        )
        return Projected(session_id, head, changed, self._own.name)

    def _made(self, session_id: str, known: Checkpoint, head: int, anew: bool) -> KeyedRows:
        """Return the rows of a session after its events up to the head."""
        own = self._own
        if not self._folds:
            resources = self._resources(self._engine, session_id, head)
            return own.rows_of_whole(session_id, resources, MOST_SECONDS)
        kept = self._states.take(own.name, session_id)
        if anew or kept is None or (kept.seq, own.version) != (known.seq, known.version):
            kept = KeptState(0, own.begin(session_id, MOST_SECONDS))
        types = own.projection.types
        events = read_events(self._engine, session_id, kept.seq + 1, head, types)
        while batch := list(islice(events, _BATCH)):
            kept.state = own.evolve(session_id, kept.state, batch, MOST_SECONDS)
        kept.seq = head
        rows = own.rows(session_id, kept, MOST_SECONDS)
        self._states.put(own.name, session_id, kept)
        return rows

    def _write(
        self, tx: Transaction, session_id: str, known: Checkpoint, head: int, made: KeyedRows
    ) -> int:
        own, tables = self._own, self._own.projection.tables
        lock_stream(tx, session_id)  # An erasure waits for it, and then finds these rows.
        if tx.postgresql:
            tx.run(LIMIT_WAIT)  # Appends to the session wait for this transaction.
        _head(tx, session_id)
        to = (head, own.version)
        if not move(tx, session_id, own.name, (known.seq, known.version), to, self.name):
            self.forget(session_id)
            told = "has another worker by now"
            raise ProjectionError(own.name, session_id, "ConflictError", told)
        return write_rows(tx, session_id, tables, read_rows(tx, session_id, tables), made)

    def _note(self, tx: Transaction, session_id: str, kind: str) -> None:
        head = lock_stream(tx, session_id)
        if head is not None and head.erased_at is None and kind != "ConflictError":
            note_failure(tx, session_id, self._own.name, self._own.version, kind, now())

    def _release(self, session_id: str) -> None:
        """Give a session back, if the database answers; otherwise its lease ends."""
        with contextlib.suppress(EventStoreError):
            write_retried(
                self._engine, lambda tx: release(tx, session_id, self._own.name, self.name, now())
            )


def _head(tx: Transaction, session_id: str) -> tuple[int, bool]:
    """Return the seq of a session's last event, and whether the session is closed.

    Raises:
        NotFoundError, ErasedError: There is no such session, or it was erased.
    """
    row = tx.row(
        "SELECT head_seq, erased_at, closed_at FROM streams WHERE session_id = ?", (session_id,)
    )
    if row is None:
        raise no_session(session_id)
    refuse_erased(tx, session_id, row[1])
    return int(row[0]), row[2] is not None
