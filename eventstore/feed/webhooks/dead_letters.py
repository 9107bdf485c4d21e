"""Webhooks that were given up: noted, listed, and marked to be sent again.

A mark is in the database, so that whoever sends the subscription's webhooks, in whatever process,
finds it. Called by webhooks.py and by the verbs.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.brief import brief
from eventstore.errors import NotFoundError
from eventstore.feed.delivery import Delivery
from eventstore.feed.webhooks.payload import webhook_id_of
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import dumps, loads
from eventstore.store.consumers.checkpoints import MOST_AHEAD
from eventstore.store.database.retries import run_retried
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.filters.sql_conditions import Where, add_scope
from eventstore.store.queries.pages import Page
from eventstore.times import now, to_iso

#: For how long a sender has a dead letter that it sends again, in microseconds.
LEASE = 60_000_000

NOTE = (
    "INSERT INTO dead_letters"
    " (session_id, consumer, seq, kind, response_id, tries, failed_at, error, destination)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id, consumer, seq, kind)"
    " DO UPDATE SET tries = dead_letters.tries + excluded.tries, failed_at = excluded.failed_at,"
    " error = excluded.error, destination = excluded.destination, again_at = NULL"
)
LIST = (
    "SELECT d.session_id, d.consumer, d.seq, d.kind, d.response_id, d.tries, d.failed_at, d.error,"
    " d.destination, d.again_at FROM dead_letters d"
)
DROP = "DELETE FROM dead_letters WHERE session_id = ? AND consumer = ? AND seq = ? AND kind = ?"
MARK = (
    "UPDATE dead_letters SET again_at = ? WHERE again_at IS NULL"
    " AND session_id = ? AND consumer = ? AND seq = ? AND kind = ?"
)
MARK_ALL = "UPDATE dead_letters SET again_at = ? WHERE again_at IS NULL"
_DUE = "(again_at <= ? OR again_at > ?)"
#: A sender takes one letter of a session at a time, so that they are sent in order.
TAKE = (
    "UPDATE dead_letters SET again_at = ? WHERE (again_at <= ? OR again_at > ?)"
    " AND session_id = ? AND consumer = ? AND seq = ? AND kind = ? AND NOT EXISTS (SELECT 1"
    " FROM dead_letters o WHERE o.session_id = ? AND o.consumer = ? AND o.again_at > ?"
    " AND o.again_at <= ?)"
)
_PLACE = "d.failed_at, d.session_id, d.consumer, d.seq, d.kind"


class DeadLetter(NamedTuple):
    """A webhook that was given up.

    Attributes:
        session_id: The session.
        consumer: The name of the webhooks' subscription.
        seq: The event that finished the response, or the session's last event.
        kind: `response` or `session`.
        response_id: The response's id; None for a session.
        tries: How often it was sent.
        failed_at: When it failed last, in microseconds since 1970 UTC.
        error: What went wrong.
        to: Where it was sent, without what may be secret in the address; None if that is unknown.
        again_at: When it is due to be sent again, in microseconds since 1970 UTC; None if nobody
            has asked for that.
    """

    session_id: str
    consumer: str
    seq: int
    kind: str
    response_id: str | None
    tries: int
    failed_at: int
    error: str
    to: str | None = None
    again_at: int | None = None

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What tells it from others."""
        return self.session_id, self.consumer, self.seq, self.kind

    @property
    def id(self) -> str:
        """Its id in lists, which can be turned back into its key."""
        raw = dumps(list(self.key)).encode("utf-8", "surrogatepass")
        return f"dead_{urlsafe_b64encode(raw).decode().rstrip('=')}"

    def as_json(self) -> dict[str, Any]:
        """Return it as lists show it."""
        return {
            "id": self.id,
            "object": "eventstore.dead_letter",
            "webhook_id": webhook_id_of(self.consumer, self.session_id, self.seq, self.kind),
            **self._asdict(),
            "failed_at": to_iso(self.failed_at),
            "again_at": None if self.again_at is None else to_iso(self.again_at),
        }


def no_dead_letter(id_: str) -> NotFoundError:
    """Return the error that there is none of this id."""
    return NotFoundError(f"no webhook {brief(id_)} was given up, or it was taken meanwhile")


def key_of(id_: str) -> tuple[str, str, int, str]:
    """Return the key that the id of a dead letter names.

    Raises:
        NotFoundError: It is no such id.
    """
    encoded = id_.removeprefix("dead_")
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        raw = urlsafe_b64decode(padded.encode("ascii")).decode("utf-8")
        key = loads(raw)
    except (ValueError, RecursionError, binascii.Error) as error:
        raise no_dead_letter(id_) from error
    if not (id_.startswith("dead_") and isinstance(key, list) and len(key) == 4):
        raise no_dead_letter(id_)
    session_id, consumer, seq, kind = key
    texts = (session_id, consumer, kind)
    is_number = isinstance(seq, int) and not isinstance(seq, bool) and 0 <= seq < 1 << 62
    if not is_number or not all(isinstance(one, str) and "\0" not in one for one in texts):
        raise no_dead_letter(id_)
    return session_id, consumer, seq, kind


def note_dead_letter(
    engine: Engine, name: str, delivery: Delivery, tries: int, error: str, to: str | None = None
) -> None:
    """Note that a webhook is given up, and not marked to be sent again.

    Args:
        name: The name of the webhooks' subscription.
        to: Where it was sent, without secrets.
    """
    response_id = (delivery.resource or {}).get("id") if delivery.kind == "response" else None
    key = (delivery.session_id, name, delivery.seq, delivery.kind)
    run_retried(engine, NOTE, (*key, response_id, tries, now(), error[:64], to))


def dead_letters(engine: Engine, name: str | None, limit: int) -> list[DeadLetter]:
    """Return webhooks that were given up, by session and event.

    Args:
        name: Only those of this subscription; None for all.
        limit: How many at most.
    """
    which, filters = (" WHERE d.consumer = ?", (name,)) if name is not None else ("", ())
    order = " ORDER BY d.session_id, d.seq, d.kind LIMIT ?"
    with read(engine) as tx:
        return [DeadLetter._make(row) for row in tx.rows(LIST + which + order, (*filters, limit))]


def read_letter(tx: Transaction, id_: str, scope: Condition | None) -> DeadLetter:
    """Return the webhook of an id that was given up.

    Args:
        scope: A pair of metadata that its session has; otherwise it is treated as not there.

    Raises:
        NotFoundError: There is none.
    """
    where = Where([], [])
    key = " AND ".join(f"d.{name} = ?" for name in ("session_id", "consumer", "seq", "kind"))
    where.add(key, *key_of(id_))
    add_scope(where, scope, "d")
    found = tx.row(LIST + where.sql(), where.parameters)
    if found is None:
        raise no_dead_letter(id_)
    return DeadLetter._make(found)


def dead_letter_page(
    engine: Engine, limit: int, after: str | None, order: str, scope: Condition | None
) -> Page[DeadLetter]:
    """Return a page of the webhooks that were given up, by when they failed last.

    Args:
        limit: How many entries it has at most.
        after: The id of the entry behind which it begins.
        order: `desc`, the newest first, or `asc`.
        scope: A pair of metadata that their sessions have.

    Raises:
        NotFoundError: `after` names none.
    """
    where = Where([], [])
    add_scope(where, scope, "d")
    with read(engine) as tx:
        if after is not None:
            behind = read_letter(tx, after, scope)
            compare = ">" if order == "asc" else "<"
            where.add(f"({_PLACE}) {compare} (?, ?, ?, ?, ?)", behind.failed_at, *behind.key)
        by = ", ".join(f"{name} {order.upper()}" for name in _PLACE.split(", "))
        sql = f"{LIST}{where.sql()} ORDER BY {by} LIMIT ?"
        rows = tx.rows(sql, (*where.parameters, limit + 1))
    data = [DeadLetter._make(row) for row in rows[:limit]]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return Page(data, first, last, len(rows) > limit)


def mark_all(engine: Engine, name: str | None) -> int:
    """Mark all dead letters, or those of a subscription; return how many were not marked yet."""
    if name is None:
        return run_retried(engine, MARK_ALL, (now(),))
    return run_retried(engine, f"{MARK_ALL} AND consumer = ?", (now(), name))


def mark(engine: Engine, id_: str) -> int:
    """Mark a dead letter to be sent again; return 0 if it is marked already, or is there no more.

    Raises:
        NotFoundError: It is no id of a dead letter.
    """
    return run_retried(engine, MARK, (now(), *key_of(id_)))


def due_letters(engine: Engine, name: str, limit: int) -> list[DeadLetter]:
    """Return dead letters of a subscription that are due to be sent again, in order."""
    order = " ORDER BY d.session_id, d.seq, d.kind LIMIT ?"
    at = now()
    sql = f"{LIST} WHERE d.consumer = ? AND d.again_at IS NOT NULL AND {_DUE}{order}"
    with read(engine) as tx:
        rows = tx.rows(sql, (name, at, at + MOST_AHEAD, limit))
    return [DeadLetter._make(row) for row in rows]


def take_letter(engine: Engine, letter: DeadLetter) -> bool:
    """Take a dead letter that is due; return False if another sender has it, or its session."""
    at = now()
    due = (at, at + MOST_AHEAD)
    others = (letter.session_id, letter.consumer, at, at + MOST_AHEAD)
    return run_retried(engine, TAKE, (at + LEASE, *due, *letter.key, *others)) == 1


def drop_dead_letter(engine: Engine, letter: DeadLetter) -> None:
    """Forget a webhook that was taken at last."""
    run_retried(engine, DROP, letter.key)
