"""Find the sessions of which a consumer has not had all events, without a look at all sessions.

There is no global sequence: each consumer has a checkpoint for each session. A session has news
until its events up to the head are settled (`streams.fed_seq`), which means that every consumer has
had them. An index has only the sessions with news, so that an idle consumer costs one look at an
empty index. A consumer that is new, or comes back after it was left out, passes over all sessions
once; the place of its pass is in the list of consumers.

Why no event is missed: a session is settled at the head that was read before the list of consumers
was, and only while its head is still that one. A consumer that is added later reads the session in
its own pass, and then finds at least the events that were settled without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.store.consumers.checkpoints import MOST_AHEAD, Checkpoint, begin_checkpoint
from eventstore.store.consumers.consumers import Consumer, all_consumers
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.times import now

#: Sessions are not kept unsettled for a consumer that nobody has run for so many microseconds.
LEFT_OUT = 15 * 60 * 1_000_000

_HAS_NEWS = "(s.fed_seq IS NULL OR s.fed_seq < s.head_seq)"
_COLUMNS = (
    "s.session_id, s.head_seq, s.closed_at, s.fed_seq, s.sealed_seq, s.projected_seq,"
    " c.seq, c.version, c.worker, c.until, c.tries, c.failed_at, c.retry_at, c.error"
)
_OF = (
    f"SELECT {_COLUMNS} FROM streams s LEFT JOIN checkpoints c ON c.session_id = s.session_id"
    " AND c.consumer = ? WHERE s.erased_at IS NULL AND s.session_id > ?"
)
_BEHIND = " AND (c.seq IS NULL OR c.seq < s.head_seq OR c.version < ?)"
#: A session that failed waits for its pause; one that another worker has waits for that worker.
_DUE = (
    " AND (c.worker = ? OR ((c.retry_at IS NULL OR c.retry_at <= ? OR c.retry_at > ?)"
    " AND (c.until IS NULL OR c.until < ? OR c.until > ?)))"
)
# A union of two queries, because each of them has its own index. The second one finds sessions
# that a worker has not finished, and those whose rows have to be made anew, though they may be
# settled: a consumer that passes over all sessions leaves such ones behind.
WITH_NEWS = (
    f"{_OF} AND {_HAS_NEWS}{_BEHIND}{{due}}"
    f" UNION {_OF} AND (c.failed_at IS NOT NULL OR c.worker IS NOT NULL){_BEHIND}{{due}}"
    " ORDER BY 1 LIMIT ?"
)
IN_PASS = f"{_OF} ORDER BY s.session_id LIMIT ?"
COUNT_BEHIND = (
    "SELECT COUNT(*) FROM streams s LEFT JOIN checkpoints c ON c.session_id = s.session_id"
    " AND c.consumer = ? WHERE s.erased_at IS NULL"
) + _BEHIND
HEAD = "SELECT head_seq, fed_seq FROM streams WHERE session_id = ? AND erased_at IS NULL"
POSITIONS = "SELECT consumer, seq, version FROM checkpoints WHERE session_id = ?"
SETTLE = (
    "UPDATE streams SET fed_seq = ? WHERE session_id = ? AND head_seq = ? AND erased_at IS NULL"
)


class News(NamedTuple):
    """A session, and how far a consumer is in it.

    Attributes:
        session_id: The session.
        head: The seq of its last event.
        closed: True if no more events will come.
        fed: The seq up to which all consumers have had its events.
        sealed: The last event that is in a segment; 0 for none.
        projected: The last event that the store's read models have.
        checkpoint: How far this consumer is; None if it has had nothing of the session.
    """

    session_id: str
    head: int
    closed: bool
    fed: int
    sealed: int
    projected: int
    checkpoint: Checkpoint | None

    def is_behind(self, version: int) -> bool:
        """Return True if the consumer has not had all events by this version of its code."""
        known = self.checkpoint
        return known is None or known.seq < self.head or known.version < version


def with_news(
    tx: Transaction,
    consumer: str,
    version: int,
    limit: int,
    after: str = "",
    waits: bool = True,
    worker: str = "",
) -> list[News]:
    """Return sessions with news of which a consumer has not had all events, by id.

    Args:
        consumer: The consumer's name.
        version: The version of its code.
        limit: How many at most.
        after: Only ids that sort after this one.
        waits: True leaves out sessions that failed before, until their pause is over, and those
            that another worker has.
        worker: The worker that asks.
    """
    at = now()
    far = at + MOST_AHEAD
    due = (worker, at, far, at, far) if waits else ()
    sql = WITH_NEWS.format(due=_DUE if waits else "")
    which = (consumer, after, version, *due)
    return list(map(_news, tx.rows(sql, (*which, *which, limit))))


def in_pass(tx: Transaction, consumer: str, limit: int, after: str) -> list[News]:
    """Return the next sessions of a consumer's pass over all sessions, by id."""
    return list(map(_news, tx.rows(IN_PASS, (consumer, after, limit))))


def count_behind(tx: Transaction, consumer: str, version: int) -> int:
    """Return of how many sessions a consumer has not had all events."""
    return int(tx.rows(COUNT_BEHIND, (consumer, version))[0][0])


def _news(row: Row) -> News:
    session_id, head, closed_at, fed, sealed, projected, *known = row
    checkpoint = None if known[0] is None else Checkpoint._make(known)
    closed = closed_at is not None
    return News(session_id, head, closed, fed or 0, sealed or 0, projected, checkpoint)


def settle(engine: Engine, session_ids: Iterable[str]) -> None:
    """Settle sessions of which every consumer has had all events; leave the others as they are."""
    for session_id in session_ids:
        with read(engine) as tx:
            row = tx.row(HEAD, (session_id,))
        if row is None or row[0] == row[1]:
            continue
        head, fed = row[0], row[1] or 0
        # In this order: see the module's docstring.
        with read(engine) as tx:
            consumers = all_consumers(tx)
            positions = {name: rest for name, *rest in tx.rows(POSITIONS, (session_id,))}
        behind = [one for one in consumers if not _has_had(one, positions.get(one.name), head)]
        if all(one.seen_at + LEFT_OUT < now() for one in behind):
            absent = [one for one in behind if one.kind == "subscription"]
            write_retried(engine, partial(_settle, session_id, head, fed, absent))


def _settle(
    session_id: str, head: int, fed: int, absent: Sequence[Consumer], tx: Transaction
) -> None:
    """Settle a session, and note for subscriptions that are left out where they go on."""
    if tx.run(SETTLE, (head, session_id, head)) == 1:
        for one in absent:
            begin_checkpoint(tx, session_id, one.name, fed, one.version)


def _has_had(consumer: Consumer, position: list[int] | None, head: int) -> bool:
    return position is not None and position[0] >= head and position[1] >= consumer.version
