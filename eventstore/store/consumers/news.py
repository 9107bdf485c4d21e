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

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.store.consumers.checkpoints import MOST_AHEAD, Checkpoint, leave_behind
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
_JOINED = "c.session_id = s.session_id AND c.consumer = ?"
#: A session that failed waits for its pause; one that another worker has waits for that worker.
_DUE = (
    " AND (c.worker = ? OR ((c.retry_at IS NULL OR c.retry_at <= ? OR c.retry_at > ?)"
    " AND (c.until IS NULL OR c.until < ? OR c.until > ?)))"
)
_BEHIND = " AND (c.seq IS NULL OR c.seq < s.head_seq OR c.version < ?)"
# A union of two queries, because each of them has its own index. The second one finds sessions
# that a worker has not finished, and those whose rows have to be made anew, though they may be
# settled: a consumer that passes over all sessions leaves such ones behind.
WITH_NEWS = (
    f"SELECT {_COLUMNS} FROM streams s{{by_news}} LEFT JOIN checkpoints c ON {_JOINED}"
    f" WHERE s.erased_at IS NULL AND s.session_id > ? AND {_HAS_NEWS}{_BEHIND}{{due}}"
    f" UNION SELECT {_COLUMNS} FROM checkpoints c{{by_unfinished}} {{inner}} JOIN streams s"
    " ON s.session_id = c.session_id WHERE c.consumer = ? AND c.session_id > ?"
    " AND s.erased_at IS NULL AND (c.failed_at IS NOT NULL OR c.worker IS NOT NULL)"
    f"{_BEHIND}{{due}} ORDER BY 1 LIMIT ?"
)
# Without statistics SQLite walks over all sessions, in the order of their ids.
_BY_INDEX = {
    True: {"by_news": "", "by_unfinished": "", "inner": "INNER"},
    False: {
        "by_news": " INDEXED BY streams_news",
        "by_unfinished": " INDEXED BY checkpoints_unfinished",
        "inner": "CROSS",
    },
}
IN_PASS = (
    f"SELECT {_COLUMNS} FROM streams s LEFT JOIN checkpoints c ON {_JOINED}"
    " WHERE s.erased_at IS NULL AND s.session_id > ? ORDER BY s.session_id LIMIT ?"
)
COUNT_BEHIND = (
    f"SELECT COUNT(*) FROM streams s LEFT JOIN checkpoints c ON {_JOINED}"
    f" WHERE s.erased_at IS NULL{_BEHIND}"
)
UNSETTLED = (
    f"SELECT session_id FROM streams s{{by_news}} WHERE {_HAS_NEWS} AND erased_at IS NULL"
    " AND session_id > ? ORDER BY session_id LIMIT ?"
)
HEADS = (
    "SELECT session_id, head_seq, fed_seq FROM streams WHERE session_id IN ({})"
    " AND erased_at IS NULL"
)
POSITIONS = "SELECT session_id, consumer, seq, version FROM checkpoints WHERE session_id IN ({})"
SETTLE = (
    "UPDATE streams SET fed_seq = ? WHERE session_id = ? AND head_seq = ? AND erased_at IS NULL"
)
NOT_NEEDED = (
    "DELETE FROM checkpoints WHERE session_id = ? AND consumer = ? AND seq = ? AND version = 0"
    " AND worker IS NULL AND failed_at IS NULL AND EXISTS (SELECT 1 FROM streams s"
    " WHERE s.session_id = checkpoints.session_id AND s.fed_seq = checkpoints.seq"
    " AND s.head_seq = checkpoints.seq)"
)
#: How many sessions are settled in one transaction.
_AT_ONCE = 500


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
    sql = WITH_NEWS.format(due=_DUE if waits else "", **_BY_INDEX[tx.postgresql])
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


def settle_next(
    engine: Engine, after: str, limit: int, but: Callable[[str], bool] = lambda _: False
) -> str:
    """Settle the next sessions that are not settled, by id, as far as everybody has had them.

    Args:
        after: Only ids that sort after this one.
        limit: How many to look at.
        but: Returns True for a session to leave alone.

    Returns:
        The last session that was looked at, which is `after` for the next call; empty if there are
        no more behind it.
    """
    with read(engine) as tx:
        rows = tx.rows(UNSETTLED.format(**_BY_INDEX[tx.postgresql]), (after, limit))
    settle(engine, [id_ for (id_,) in rows if not but(id_)])
    return str(rows[-1][0]) if len(rows) == limit else ""


def settle(engine: Engine, session_ids: Sequence[str]) -> None:
    """Settle sessions of which every consumer has had all events; leave the others as they are."""
    for start in range(0, len(session_ids), _AT_ONCE):
        some = session_ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        with read(engine) as tx:
            heads = tx.rows(HEADS.format(marks), some)
        heads = [(id_, head, fed or 0) for id_, head, fed in heads if fed != head]
        if not heads:
            continue
        # In this order: see the module's docstring.
        with read(engine) as tx:
            consumers = all_consumers(tx)
            rows = tx.rows(POSITIONS.format(marks), some)
        positions = {(id_, consumer): rest for id_, consumer, *rest in rows}
        found = [
            _Settled(id_, head, fed, _behind(consumers, positions, id_, head))
            for id_, head, fed in heads
        ]
        done = [one for one in found if all(is_left_out(behind) for behind in one.absent)]
        if done:
            begun_now = [one.name for one in consumers if _begins_now(one)]
            write_retried(engine, partial(_settle, sorted(done), begun_now))


class _Settled(NamedTuple):
    session_id: str
    head: int
    fed: int
    absent: list[Consumer]


def _behind(
    consumers: list[Consumer],
    positions: Mapping[tuple[str, str], list[int]],
    session_id: str,
    head: int,
) -> list[Consumer]:
    return [
        one for one in consumers if not _has_had(one, positions.get((session_id, one.name)), head)
    ]


def is_left_out(consumer: Consumer) -> bool:
    """Return True if nobody has run a consumer for so long that sessions are settled without it."""
    return consumer.seen_at + LEFT_OUT < now()


def _begins_now(consumer: Consumer) -> bool:
    return consumer.kind == "subscription" and consumer.definition.get("from") != "start"


def _settle(done: list[_Settled], begun_now: list[str], tx: Transaction) -> None:
    """Settle sessions, in the order of their ids, in which appends lock streams too.

    Where consumers that are left out go on is noted. So they find the session also if they make no
    pass, because they are followed all the time by a machine whose clock differs. A subscription
    that began "now" needs no checkpoint at the event up to which a session is settled: it goes on
    there without one.
    """
    plain = [one for one in done if not one.absent]
    tx.run_many(SETTLE, [(one.head, one.session_id, one.head) for one in plain])
    for one in done:
        if one.absent and tx.run(SETTLE, (one.head, one.session_id, one.head)) == 1:
            for absent in one.absent:
                if not absent.definition.get("brief"):
                    # Without a checkpoint, one that began "now" has had what was settled before,
                    # and any other consumer nothing.
                    first = one.fed if _begins_now(absent) else 0
                    leave_behind(tx, one.session_id, absent.name, (first, absent.version), now())
    if begun_now:
        gone = [(one.session_id, name, one.head) for one in done for name in begun_now]
        tx.run_many(NOT_NEEDED, gone)


def _has_had(consumer: Consumer, position: list[int] | None, head: int) -> bool:
    return position is not None and position[0] >= head and position[1] >= consumer.version
