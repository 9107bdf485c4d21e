"""Webhooks that were given up: noted, listed, and sent again. Called by webhooks.py."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.feed.delivery import Delivery
from eventstore.store.database.retries import run_retried
from eventstore.store.database.transaction import read
from eventstore.times import now, to_iso

NOTE = (
    "INSERT INTO dead_letters"
    " (session_id, consumer, seq, kind, response_id, tries, failed_at, error)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id, consumer, seq, kind)"
    " DO UPDATE SET tries = dead_letters.tries + excluded.tries, failed_at = excluded.failed_at,"
    " error = excluded.error"
)
LIST = (
    "SELECT session_id, consumer, seq, kind, response_id, tries, failed_at, error FROM dead_letters"
)
DROP = "DELETE FROM dead_letters WHERE session_id = ? AND consumer = ? AND seq = ? AND kind = ?"


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
    """

    session_id: str
    consumer: str
    seq: int
    kind: str
    response_id: str | None
    tries: int
    failed_at: int
    error: str

    def as_json(self) -> dict[str, Any]:
        """Return it as lists show it."""
        return {**self._asdict(), "failed_at": to_iso(self.failed_at)}


def note_dead_letter(engine: Engine, name: str, delivery: Delivery, tries: int, error: str) -> None:
    """Note that a webhook is given up."""
    response_id = (delivery.resource or {}).get("id") if delivery.kind == "response" else None
    key = (delivery.session_id, name, delivery.seq, delivery.kind)
    run_retried(engine, NOTE, (*key, response_id, tries, now(), error[:64]))


def dead_letters(engine: Engine, name: str | None, limit: int) -> list[DeadLetter]:
    """Return webhooks that were given up, by session and event.

    Args:
        name: Only those of this subscription; None for all.
        limit: How many at most.
    """
    which, filters = (" WHERE consumer = ?", (name,)) if name is not None else ("", ())
    order = " ORDER BY session_id, seq, kind LIMIT ?"
    with read(engine) as tx:
        return [DeadLetter._make(row) for row in tx.rows(LIST + which + order, (*filters, limit))]


def drop_dead_letter(engine: Engine, letter: DeadLetter) -> None:
    """Forget a webhook that was taken at last."""
    run_retried(engine, DROP, (letter.session_id, letter.consumer, letter.seq, letter.kind))
