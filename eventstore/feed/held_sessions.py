"""The sessions that a worker of a subscription has, and how far it is in each of them.

A worker keeps a session while news come, and lets it go when it has been quiet for a while, or when
the worker ends. If the worker dies, its lease ends, and another worker goes on behind the last
checkpoint that was written. Called by feed.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from eventstore.store.consumers.checkpoints import (
    Checkpoint,
    begin_checkpoint,
    claim,
    note_failure,
    read_checkpoint,
    release,
    renew,
    renew_all,
    renew_from,
)
from eventstore.store.consumers.news import News, settle
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Transaction
from eventstore.store.log.insert_events import lock_stream
from eventstore.times import now

#: After how many seconds without news a session is let go.
_QUIET = 5.0


@dataclass(slots=True)
class Held:
    """A session that this worker has.

    Attributes:
        seq: The last event that was handled.
        ended: True if the session's end was delivered.
        tries: How often the delivery behind `seq` failed.
        saved: The seq and the end as the checkpoint has them.
        until: Until when this worker has the session, in microseconds since 1970 UTC.
        head: The session's last event, when it had news last.
        quiet_since: When that was, by the monotonic clock.
        waits: True if something of it was delivered that only its receiver can acknowledge.
    """

    seq: int
    ended: bool
    saved: tuple[int, bool]
    until: int
    tries: int = 0
    head: int = 0
    quiet_since: float = 0.0
    waits: bool = False

    def handled(self, seq: int, is_end: bool) -> None:
        """Note that a delivery was handled."""
        self.seq, self.ended, self.tries = seq, self.ended or is_end, 0

    def adopt(self, known: Checkpoint) -> None:
        """Go on behind a checkpoint that is farther than this worker knows.

        A transaction whose answer was lost has moved it, or a receiver's cursor.
        """
        place = known.seq, bool(known.version)
        self.saved = max(self.saved, place)
        self.seq, self.ended = max((self.seq, self.ended), place)

    def is_moved(self) -> bool:
        """Return True if the checkpoint is behind, and may be moved."""
        return self.saved != self.place()

    def place(self) -> tuple[int, bool]:
        """Return the seq and the end that the checkpoint may have."""
        return self.saved if self.waits else (self.seq, self.ended)


class HeldSessions:
    """The sessions that one worker of a subscription has.

    Args:
        engine: The engine of the database.
        name: The subscription's name.
        from_start: True if the subscription begins with the first events of each session.
        lease: For how many microseconds a worker has a session, unless it says that it goes on.

    Attributes:
        worker: The worker's name.
    """

    def __init__(self, engine: Engine, name: str, from_start: bool, lease: int) -> None:
        self._engine, self._name, self._from_start = engine, name, from_start
        self._lease = lease
        self.worker = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._held: dict[str, Held] = {}

    def take(self, page: Iterable[News]) -> list[tuple[News, Held]]:
        """Take sessions with news, as far as no other worker has them; return those taken."""
        page = list(page)
        new = [news for news in page if news.session_id not in self._held]
        if new:
            taken = write_retried(self._engine, lambda tx: self._claim(tx, new))
            self._held.update(taken)
        found = [(news, self._held.get(news.session_id)) for news in page]
        for news, held in found:
            if held is not None:
                held.head, held.quiet_since = news.head, time.monotonic()
                if news.checkpoint is not None and news.checkpoint.worker == self.worker:
                    held.adopt(news.checkpoint)
        return [(news, held) for news, held in found if held is not None]

    def _claim(self, tx: Transaction, page: list[News]) -> dict[str, Held]:
        taken, at = {}, now()
        # In the order in which appends lock streams.
        for news in sorted(page, key=lambda news: news.session_id):
            known = news.checkpoint
            if known is None:
                head = lock_stream(tx, news.session_id)
                if head is None or head.erased_at is not None:
                    continue  # It was moved away or erased since it was found.
                first = 0 if self._from_start else news.fed
                begin_checkpoint(tx, news.session_id, self._name, first, 0)
                known = read_checkpoint(tx, news.session_id, self._name)
            if known is not None and claim(
                tx, news.session_id, self._name, known, self.worker, at, self._lease
            ):
                taken[news.session_id] = _held(known, at + self._lease)
        return taken

    def save(self) -> None:
        """Write the checkpoints that have moved, and renew leases; let quiet sessions go."""
        at = now()
        moved = {id_: one for id_, one in self._held.items() if one.is_moved()}
        old = {id_: one for id_, one in self._held.items() if one.until - at < self._lease // 2}
        if moved or old:
            self._save({**old, **moved}, at)
        long_ago = time.monotonic() - _QUIET
        quiet = [
            id_ for id_, one in self._held.items() if one.quiet_since < long_ago and not one.waits
        ]
        self._let_go(quiet)

    def save_in(self, tx: Transaction, session_id: str) -> bool:
        """Write one checkpoint in a transaction, which `saved` must follow once it is committed.

        Returns:
            False if another worker has the session, or an earlier transaction, whose end this
            worker does not know, has moved its checkpoint.
        """
        held = self._held[session_id]
        (known_seq, known_end), (seq, ended) = held.saved, held.place()
        known, to = (known_seq, int(known_end)), (seq, int(ended))
        until = now() + self._lease
        return renew_from(tx, session_id, self._name, known, to, self.worker, until)

    def saved(self, session_id: str, at: int) -> None:
        """Note that what `save_in` wrote is committed; the transaction began at `at`."""
        held = self._held[session_id]
        held.saved, held.until = held.place(), at + self._lease

    def _save(self, some: dict[str, Held], at: int) -> None:
        """Write checkpoints, and forget the sessions that another worker has by now."""
        places = {id_: one.place() for id_, one in some.items()}
        lost = write_retried(self._engine, lambda tx: self._renew(tx, places, at + self._lease))
        # Only now, since a transaction that failed has written nothing.
        for id_, one in some.items():
            one.saved, one.until = places[id_], at + self._lease
        for id_ in lost:
            self.forget(id_)

    def _renew(self, tx: Transaction, places: dict[str, tuple[int, bool]], until: int) -> list[str]:
        """Write checkpoints; return the sessions that another worker has by now."""
        to = {id_: (seq, int(ended)) for id_, (seq, ended) in places.items()}
        if renew_all(tx, self._name, self.worker, until, to):
            return []
        mine = partial(renew, tx, consumer=self._name, worker=self.worker, until=until)
        return [id_ for id_, place in to.items() if not mine(session_id=id_, to=place)]

    def waiting(self) -> dict[str, tuple[int, bool]]:
        """Return how far each session is of which something waits for an acknowledgement."""
        return {id_: (one.seq, one.ended) for id_, one in self._held.items() if one.waits}

    def acknowledge(self) -> None:
        """Let the checkpoints of sessions move that waited for an acknowledgement."""
        for one in self._held.values():
            one.waits = False

    def has(self, session_id: str) -> bool:
        """Return True if this worker still has a session, as far as it knows."""
        return session_id in self._held

    def forget(self, session_id: str) -> None:
        """Hold a session no longer, without a word to the database: it was erased, or lost."""
        self._held.pop(session_id, None)

    def fail(self, session_id: str, error: str) -> None:
        """Let a session go, and note that its next delivery failed: it is tried again later.

        If that cannot be written, the worker keeps the session.
        """
        held = self._held.get(session_id)
        if held is None:
            return

        def note(tx: Transaction) -> None:
            if not self._renew(tx, {session_id: held.place()}, now()):
                # What saves the place forgets the tries of the checkpoint, so they are given.
                tries = held.tries + 1
                note_failure(tx, session_id, self._name, 0, error, now(), tries)

        write_retried(self._engine, note)
        self.forget(session_id)

    def let_all_go(self) -> None:
        """Write all checkpoints, and let all sessions go."""
        self.save()
        self._let_go(list(self._held))

    def _let_go(self, session_ids: list[str]) -> None:
        if not session_ids:
            return

        def let_go(tx: Transaction) -> None:
            for id_ in sorted(session_ids):
                one = self._held[id_]
                unfinished_at = now() if one.place()[0] < one.head else None
                release(tx, id_, self._name, self.worker, unfinished_at)

        write_retried(self._engine, let_go)
        for id_ in session_ids:
            del self._held[id_]
        settle(self._engine, session_ids)


def _held(known: Checkpoint, until: int) -> Held:
    ended = bool(known.version)
    return Held(known.seq, ended, (known.seq, ended), until, known.tries)
