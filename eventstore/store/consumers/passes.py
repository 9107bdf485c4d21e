"""Tell where a consumer's pass over all sessions is, and note that the consumer is followed.

A pass is made once when a consumer is new, and again when it was not followed for so long that
sessions may have been settled without it (news.py). Called by whoever works for a consumer.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.store.consumers.consumers import SEEN, START_AGAIN, find_consumer
from eventstore.store.consumers.news import LEFT_OUT
from eventstore.store.database.retries import run_retried
from eventstore.store.database.transaction import read
from eventstore.times import now

#: How often it is noted that a consumer is followed, in microseconds.
_SEEN_EACH = 30 * 1_000_000


class Pass(NamedTuple):
    """Where a consumer's pass over all sessions is.

    Attributes:
        exists: False if the consumer was dropped.
        place: The last session of the pass so far; None if there is no pass to make.
    """

    exists: bool
    place: str | None


def look_at_pass(engine: Engine, consumer: str) -> Pass:
    """Return where the pass of a consumer is, and note that the consumer is followed now.

    Args:
        consumer: Its name.
    """
    at = now()
    with read(engine) as tx:
        found = find_consumer(tx, consumer)
    if found is None:
        return Pass(exists=False, place=None)
    if at - found.seen_at > LEFT_OUT // 2:
        run_retried(engine, START_AGAIN, (at, consumer))
        return Pass(exists=True, place="")
    if at - found.seen_at > _SEEN_EACH:
        run_retried(engine, SEEN, (at, consumer))
    return Pass(exists=True, place=found.passed)
