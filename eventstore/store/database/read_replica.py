"""Read from a streaming replica of the store's database, where it is not too far behind.

A verb that only reads is given an engine with a `ReadReplica` as its option `REPLICA`. Each of its
reading transactions runs on the replica if all of this is so:

- The replica has replayed everything that was committed before the moment of `max_lag` seconds ago.
  For this the primary is asked for its position in the write-ahead log at least once in half that
  time. No clocks of two machines are compared.
- It has replayed what this process has committed, and what this process has read elsewhere. So a
  process reads its own writes, and on the replica never an older state than it has read before.
  (PostgreSQL's replicas show a commit a moment before the primary confirms and shows it.)
- It is a replica of this database.

Otherwise the transaction runs on the primary, as if there were no replica. Called by
event_store.py.
"""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError, InvalidInputError, TimeLimitError
from eventstore.store.database.connections.pool import connections_of, is_known_distributed
from eventstore.store.database.identity import DatabaseIdentity, read_identity
from eventstore.store.database.transaction import (
    NotBegunError,
    Transaction,
    read_directly,
    statement,
)

_LOGGER = logging.getLogger("eventstore")

# What is not flushed yet is on no other machine. Without synchronous_commit it may be committed.
_COMMITTED = (
    "CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn()"
    " ELSE pg_current_wal_flush_lsn() END"
)
PRIMARY_POSITION = f"SELECT ({_COMMITTED} - '0/0')::bigint"
REPLICA_POSITION = (
    "SELECT pg_is_in_recovery(), (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
    f" ELSE {_COMMITTED} END - '0/0')::bigint"
)
#: How long a transaction waits for the replica, in seconds, before it runs on the primary.
_PATIENCE = 0.2
_LOOK_AGAIN = 0.005
#: For how many seconds the primary is read at once when the replica was too far behind.
_LEFT_BEHIND = 1.0
#: After how many seconds a server that failed is tried again.
_TRY_AGAIN = 10.0


class _Position(NamedTuple):
    """The primary's position in bytes, and a moment before it was asked (monotonic clock)."""

    asked_at: float
    position: int


class _Seen(NamedTuple):
    """What a connection to the replica told last: whether it replays, and its position."""

    in_recovery: bool
    position: int


class ReadReplica:
    """A replica, and what is known of how far behind its primary it is. Threads may share it.

    Args:
        primary: The engine of the store's database.
        engine: The engine of the replica, with the same keys.
        max_lag: How many seconds the replica may lag behind.

    Attributes:
        engine: As given.
        reads: How many transactions it has answered.
        reads_of_primary: How many the primary has answered in its place.
    """

    def __init__(self, primary: Engine, engine: Engine, max_lag: float) -> None:
        self._primary, self.engine, self._max_lag = primary, engine, max_lag
        connections = connections_of(primary)
        connections.has_replica, self._commits = True, connections.commits
        self._counted = -1
        self._own = 0
        self._asked: tuple[_Position, ...] = ()
        self._seen: WeakKeyDictionary[Any, _Seen] = WeakKeyDictionary()
        self._server: tuple[str, int] | None = None
        self._try_at = self._try_primary_at = 0.0
        self._primary_error: DatabaseUnavailableError | None = None
        self._problem: str | None = None
        self.reads = self.reads_of_primary = 0

    def reading(self) -> _ReplicaRead:
        """Return a context manager for a reading transaction, on the replica if it may be used."""
        return _ReplicaRead(self)

    def check(self) -> None:
        """Check that this is a replica of the store's database, if it answers.

        Raises:
            InvalidInputError: It is another database; or the store is spread over a cluster, whose
                nodes have no common position.
            DatabaseUnavailableError: The primary does not answer.
        """
        with statement(self._primary) as tx:
            is_spread = tx.distributed
        if is_spread:
            raise InvalidInputError(
                "a store that is spread over a cluster is read from all of its nodes; leave out the"
                " URL for reading"
            )
        try:
            with statement(self.engine) as tx:
                problem = self._other_database(tx, tx.rows(REPLICA_POSITION)[0][0])
        except DatabaseUnavailableError as error:
            self.leave(str(error))
            return
        if problem is not None:
            raise InvalidInputError(problem)

    def state(self) -> dict[str, Any]:
        """Return how the replica is now, for `status`: see `reports.ReplicaStatus`."""
        behind = problem = None
        try:
            with statement(self.engine) as tx:
                in_recovery, replayed = tx.rows(REPLICA_POSITION)[0]
                problem = self._other_database(tx, in_recovery)
            with statement(self._primary) as tx:
                behind = max(0, int(tx.rows(PRIMARY_POSITION)[0][0]) - int(replayed))
        except DatabaseUnavailableError as error:
            problem = str(error)
        return {
            "database": self.engine.url.render_as_string(hide_password=True),
            "max_lag": self._max_lag,
            "behind_bytes": behind,
            "problem": problem,
        }

    def may_try(self) -> bool:
        """Return True unless the replica failed a short while ago, or the store is spread."""
        return time.monotonic() >= self._try_at and not is_known_distributed(self._primary)

    def leave(self, problem: str) -> None:
        """Read from the primary for a while, and say why when it begins.

        Args:
            problem: What is wrong with the replica.
        """
        self._try_at = time.monotonic() + _TRY_AGAIN
        if self._problem is None:
            _LOGGER.warning("reading from the primary, not from the replica: %s", problem)
        self._problem = problem

    def is_current(self, tx: Transaction) -> bool:
        """Return True if a transaction that begins on a replica's connection now may be read.

        Args:
            tx: Not begun yet.
        """
        connection = tx.connection
        try:
            needed = self._needed(connection)
        except DatabaseUnavailableError:
            return False  # The transaction meets the error on the primary, and reports it.
        seen = self._seen.get(connection)
        if seen is None or seen.position < needed or not seen.in_recovery:
            end = time.monotonic() + _PATIENCE
            while (told := _Seen(*tx.rows(REPLICA_POSITION)[0])).position < needed:
                if time.monotonic() >= end:
                    self._try_at = time.monotonic() + _LEFT_BEHIND
                    return False
                tx.pause(_LOOK_AGAIN)
            if seen is None or not told.in_recovery:
                problem = self._other_database(tx, told.in_recovery)
                if problem is not None:
                    self.leave(problem)
                    return False
            self._seen[connection] = told
        if self._problem is not None:
            _LOGGER.warning("reading from the replica again")
            self._problem = None
        return True

    def _needed(self, connection: Any) -> int:
        """Return the position that the replica must have reached, in bytes.

        Raises:
            DatabaseUnavailableError: The primary does not answer, and since it was asked last this
                process has committed something, or read it elsewhere.
        """
        server = connection.info.host, connection.info.port
        if server != self._server:  # Of two replicas, each may be behind the other.
            self._commits.add()
            self._server = server
        now = time.monotonic()
        asked = tuple(one for one in self._asked if one.asked_at >= now - self._max_lag)
        number = self._commits.number
        is_counted = number == self._counted
        if not is_counted or not asked or asked[-1].asked_at < now - self._max_lag / 2:
            position = self._ask_primary(is_counted)
            if position is None:  # It is away, so that nothing is committed.
                return max(self._own, *(one.position for one in self._asked[-1:]), 0)
            asked = (*asked, _Position(now, position))
            self._asked = asked
            if not is_counted:
                self._own, self._counted = position, number
        return max(self._own, asked[0].position)

    def _ask_primary(self, may_fail: bool) -> int | None:
        """Return the primary's position; None if it does not answer and `may_fail` is True."""
        if self._primary_error is not None and time.monotonic() < self._try_primary_at:
            if may_fail:
                return None
            raise self._primary_error
        try:
            with statement(self._primary) as tx:
                position = int(tx.rows(PRIMARY_POSITION)[0][0])
        except DatabaseUnavailableError as error:
            self._try_primary_at = time.monotonic() + _TRY_AGAIN
            if self._primary_error is None:
                _LOGGER.warning("the primary does not answer; reading from the replica alone")
            self._primary_error = error
            if may_fail:
                return None
            raise
        self._primary_error = None
        return position

    def _other_database(self, tx: Transaction, in_recovery: bool) -> str | None:
        """Return why a server is none of the store's; None if it is one.

        A server that does not replay is one only if it is the primary itself, to which both URLs
        lead when the primary has failed and its replica has taken its place.
        """
        there = read_identity(tx)
        try:
            with statement(self._primary) as primary:
                here = read_identity(primary)
        except DatabaseUnavailableError:
            return None if in_recovery else "it replays no primary, and the primary is away"
        if not _is_copy(here, there):
            return "the URL for reading leads to another database, not to a replica of the store"
        if not in_recovery and here.started != there.started:
            return "the server of the URL for reading is no replica: it replays no primary"
        return None


class _ReplicaRead:
    """The context manager of one reading transaction."""

    __slots__ = ("_inner", "_on_replica", "_replica")

    def __init__(self, replica: ReadReplica) -> None:
        self._replica, self._on_replica = replica, False

    def __enter__(self) -> Transaction:
        replica = self._replica
        if replica.may_try():
            self._inner = read_directly(replica.engine, replica.is_current)
            try:
                tx = self._inner.__enter__()
            except NotBegunError:
                pass
            except DatabaseUnavailableError as error:
                replica.leave(str(error))
            else:
                self._on_replica = True
                replica.reads += 1
                return tx
        self._inner = read_directly(replica._primary)
        replica.reads_of_primary += 1
        return self._inner.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._inner.__exit__(kind, error, trace)
        except TimeLimitError:
            raise
        except DatabaseUnavailableError as failed:
            if self._on_replica:
                self._replica.leave(str(failed))
            raise


def _is_copy(here: DatabaseIdentity, there: DatabaseIdentity) -> bool:
    """Return True if two identities can be those of a database and of its replica.

    The numbers of the database and its table are compared, and, if both users may see it, the
    server's identifier and timeline.
    """
    common = min(len(here.place), len(there.place))
    ids = {here.store_id, there.store_id} - {None}
    return here.place[-common:] == there.place[-common:] and len(ids) < 2
