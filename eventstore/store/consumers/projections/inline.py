"""Run projections of one's own within appends, in the transaction that inserts the events.

The states of open sessions are kept in memory. A session whose state is not at hand is folded from
its log once, if it is short; otherwise, and after a failure, the session is left to a worker
(catch_up.py), and comes back here once its checkpoint is at the head again. Nothing that a
projection does stops the append: its rows are written behind a savepoint.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from eventstore.common import unforeseen
from eventstore.errors import DatabaseUnavailableError, EventStoreError, Failure, ProjectionError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import Frame, restore
from eventstore.store.consumers.checkpoints import (
    begin_checkpoint,
    move,
    note_failure,
    read_checkpoint,
)
from eventstore.store.consumers.projections.kept_states import KeptState, KeptStates
from eventstore.store.consumers.projections.projected_rows import KeyedRows
from eventstore.store.consumers.projections.projection_run import RunningProjection
from eventstore.store.consumers.projections.write_projected import read_rows, write_rows
from eventstore.store.database.connections import forks
from eventstore.store.database.connections.drivers import driver_errors
from eventstore.store.database.outages import is_outage
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.log.read_events import rows_in
from eventstore.times import now

_LOGGER = logging.getLogger("eventstore")
#: How long an append waits for a projection, in seconds.
MOST_SECONDS = 1.0
#: A session with more events than this is not folded again within an append.
MOST_FOLDED = 2_000
#: How many events are given to a projection at once.
_BATCH = 500
# PostgreSQL: whoever has locked a table of the projection is waited for as long as its code.
_BEGIN, _END = "SAVEPOINT projection", "RELEASE SAVEPOINT projection"
_BEGIN_LIMITED = f"{_BEGIN}; SET LOCAL lock_timeout = '{MOST_SECONDS:g}s'"
_END_LIMITED = f"{_END}; SET LOCAL lock_timeout TO DEFAULT"


@dataclass(slots=True)
class _Running:
    """One projection during an append.

    Attributes:
        own: The projection.
        kept: The session's state, which changes.
        begins: True if the session has no checkpoint yet.
        batch: Events that were not given to the projection yet.
        error: Why the projection failed; None if it did not.
    """

    own: RunningProjection
    kept: KeptState
    begins: bool
    batch: list[StoredEvent] = field(default_factory=list)
    error: EventStoreError | None = None


class InlineProjections:
    """The projections that a process runs within its appends. Threads may share it.

    Args:
        projections: The projections.
    """

    def __init__(self, projections: Iterable[RunningProjection]) -> None:
        self._projections = list(projections)
        self.renew()
        forks.renew_in_children(self)

    def renew(self) -> None:
        """Start without states. In a forked child, a thread of the parent may hold the lock."""
        self._kept = KeptStates()

    def begin(self, tx: Transaction, session_id: str, head: int) -> InlineAppend:
        """Return what takes the events of an append, whose transaction has locked the session.

        Args:
            head: The seq of the event before the first one that is appended.
        """
        running = [
            _running(tx, session_id, head, own, self._kept.take(own.name, session_id))
            for own in self._projections
        ]
        return InlineAppend(tx, session_id, [one for one in running if one is not None])

    def keep(self, append: InlineAppend, closed: bool) -> None:
        """Keep the states of an append for the next one, once its transaction has committed.

        Args:
            closed: True if no more events will come.
        """
        if closed:
            return
        for one in append.running:
            if one.error is None:
                self._kept.put(one.own.name, append.session_id, one.kept)

    def forget(self, session_id: str) -> None:
        """Keep no state of a session, which was erased."""
        self._kept.forget(session_id)


class InlineAppend:
    """Gives the events of one append to the projections, and writes what they make of them.

    Args:
        tx: The append's transaction.
        session_id: The session.
        running: The projections that take part.

    Attributes:
        session_id, running: As given.
    """

    def __init__(self, tx: Transaction, session_id: str, running: list[_Running]) -> None:
        self._tx, self.session_id, self.running = tx, session_id, running
        self._frame: Frame | None = None

    def frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield frames as they are; `rows` has to be read in step with them."""
        for frame in frames:
            self._frame = frame
            yield frame

    def rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield rows of events as they are, and give the events to the projections."""
        for row in rows:
            _, seq, at, direction, type_ = row[:5]
            if self._frame is not None:
                self._add(StoredEvent(seq, at, direction, type_, self._frame[1]))
            yield row

    def _add(self, event: StoredEvent) -> None:
        for one in self.running:
            one.batch.append(event)
            if len(one.batch) >= _BATCH:
                _fold(one, self.session_id)

    def write(self, last_seq: int) -> None:
        """Write the rows and the checkpoints up to the append's last event."""
        for one in self.running:
            _fold(one, self.session_id)
            if one.error is None:
                self._write_one(one, last_seq)
            if one.error is not None:
                self._note(one)

    def _write_one(self, one: _Running, last_seq: int) -> None:
        tx, known = self._tx, one.kept
        try:
            rows = one.own.rows(self.session_id, known, MOST_SECONDS)
        except ProjectionError as error:
            one.error = error
            return
        tables = one.own.projection.tables

        def move_and_write() -> None:
            if not _move(tx, self.session_id, one, last_seq):
                told = "runs elsewhere as well"
                raise ProjectionError(one.own.name, self.session_id, "ConflictError", told)
            write_rows(tx, self.session_id, tables, known.rows, rows)

        one.error = _guarded(tx, self.session_id, one.own, move_and_write)
        if one.error is None:
            known.seq, known.rows = last_seq, rows

    def _note(self, one: _Running) -> None:
        """Note a failure, so that a worker tries the session again."""
        error = one.error
        if error is None or (isinstance(error, ProjectionError) and error.kind == "ConflictError"):
            return
        unforeseen.log_fault(_LOGGER, unforeseen.OWN_CODE, error)
        kind = Failure(self.session_id, error).kind
        note_failure(self._tx, self.session_id, one.own.name, one.own.version, kind, now())


def is_outage_of(error: BaseException) -> bool:
    """Return True if a driver's error means that the whole database is away, full or locked."""
    outage = DatabaseUnavailableError("")
    outage.__cause__ = error
    return is_outage(outage)


def _guarded(
    tx: Transaction, session_id: str, own: RunningProjection, work: Callable[[], None]
) -> ProjectionError | None:
    """Use the tables of a projection behind a savepoint, and wait for none of them for long.

    A table may be gone, or locked by somebody who makes an index or drops the projection.

    Returns:
        Why it failed, in which case nothing was written; None if it did not.
    """
    error: ProjectionError | None = None
    tx.run(_BEGIN_LIMITED if tx.postgresql else _BEGIN)
    try:
        work()
    except ProjectionError as raised:
        error = raised
    except driver_errors() as raised:
        if is_outage_of(raised):
            raise
        kind = type(raised).__name__
        error = ProjectionError(own.name, session_id, kind, f"was refused its rows: {kind}")
    if error is not None:
        tx.run("ROLLBACK TO SAVEPOINT projection")
    tx.run(_END_LIMITED if tx.postgresql else _END)
    return error


def _running(
    tx: Transaction, session_id: str, head: int, own: RunningProjection, kept: KeptState | None
) -> _Running | None:
    """Return a projection that is at the head of a session, or None to leave it to a worker."""
    if kept is not None and kept.seq == head:
        return _Running(own, kept, begins=False)
    empty: KeyedRows = {table.name: {} for table in own.projection.tables}
    known = read_checkpoint(tx, session_id, own.name) if head else None
    if head and (known is None or (known.seq, known.version) != (head, own.version)):
        return None
    if head > MOST_FOLDED or (known is not None and known.worker is not None):
        return None
    running = _Running(own, KeptState(head, None, empty), begins=head == 0)

    def read_stored() -> None:
        running.kept.rows = read_rows(tx, session_id, own.projection.tables)

    try:
        running.kept.state = own.begin(session_id, MOST_SECONDS)
        if head:
            running.error = _guarded(tx, session_id, own, read_stored)
            running.batch = [_event(row) for row in rows_in(tx, session_id, 1, head)]
            _fold(running, session_id)
    except EventStoreError as error:
        running.error = error
    return running


def _event(row: Any) -> StoredEvent:
    text = restore(row.frame, row.audio_offset, row.audio)
    return StoredEvent(row.seq, row.at, row.direction, row.type, text)


def _fold(one: _Running, session_id: str) -> None:
    batch: Sequence[StoredEvent] = one.batch
    one.batch = []
    if not batch or one.error is not None:
        return
    try:
        one.kept.state = one.own.evolve(session_id, one.kept.state, batch, MOST_SECONDS)
    except ProjectionError as error:
        one.error = error


def _move(tx: Transaction, session_id: str, one: _Running, last_seq: int) -> bool:
    name, version = one.own.name, one.own.version
    if one.begins:
        begin_checkpoint(tx, session_id, name, 0, version)
    known = 0 if one.begins else one.kept.seq
    return move(tx, session_id, name, (known, version), (last_seq, version))
