"""Find the sessions that have news for a subscription, and take them for one feed.

Called by feed.py, again and again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.feed.delivery import Wanted
from eventstore.feed.held_sessions import Held, HeldSessions
from eventstore.feed.read_deliveries import last_to_read
from eventstore.feed.read_together import MOST_OF_SESSION, Stretch, read_together
from eventstore.realtime.events import StoredEvent
from eventstore.store.consumers.consumers import move_pass
from eventstore.store.consumers.news import News, in_pass, settle, settle_next, with_news
from eventstore.store.consumers.passes import look_at_pass
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import read

#: After how many seconds what was read together is read anew: a session may be erased meanwhile.
_FRESH = 1.0
#: After how many seconds it is looked whether the subscription is still there.
_CHECK_EACH = 1.0
#: How often, in seconds, it is looked for sessions that nobody else settles, and how long at once.
_SETTLE_EACH, _SETTLING = 60.0, 0.02
_PAGE = 200


class Turn(NamedTuple):
    """A session with news, when its turn has come.

    Attributes:
        news: The session.
        held: How far this feed is in it.
        last: Up to which event it is read now.
        known: The events up to there, if they were read already.
    """

    news: News
    held: Held
    last: int
    known: list[StoredEvent] | None = None


class Turns:
    """Finds the sessions whose turn it is.

    Args:
        engine: The engine of the database.
        name: The subscription's name.
        wanted: What it delivers.
        from_start: True if it begins with the first events of each session.
        held: The sessions that the feed has.

    Attributes:
        dropped: True if the subscription is there no more.
        one_by_one: True to take a session only when its turn comes, so that other feeds of the
            subscription can have those behind it meanwhile.
    """

    def __init__(
        self, engine: Engine, name: str, wanted: Wanted, from_start: bool, held: HeldSessions
    ) -> None:
        self._engine, self._name, self._wanted = engine, name, wanted
        self._from_start, self._held = from_start, held
        self._next_check, self._has_passed = 0.0, False
        self._next_settling, self._settled = 0.0, ""
        self.dropped = self.one_by_one = False

    def look(self) -> Iterator[Turn]:
        """Yield the sessions with news that the feed can have, each once.

        Whoever reads it may stop at any time, and call it again.
        """
        while (passed := self._passed()) is not None and not self.dropped:
            yield from self._next_of_pass(passed)
        began, after = time.monotonic(), ""
        while True:
            with read(self._engine) as tx:
                page = with_news(tx, self._name, 0, _PAGE, after, worker=self._held.worker)
            yield from self._taken(page)
            if len(page) < _PAGE:
                break
            after = page[-1].session_id
        self._settle_others(max(time.monotonic() - began, _SETTLING))

    def _settle_others(self, seconds: float) -> None:
        """Settle sessions of which everybody has had all, as long as a look for news takes.

        There are such where a subscription began "now" in an old store, or where a consumer that
        was behind was dropped. They make each look for news longer.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end and time.monotonic() >= self._next_settling:
            self._settled = settle_next(self._engine, self._settled, _PAGE, self._held.has)
            if not self._settled:
                self._next_settling = time.monotonic() + _SETTLE_EACH

    def _next_of_pass(self, passed: str) -> Iterator[Turn]:
        """Yield the next sessions of the pass over all sessions, and note how far it is."""
        with read(self._engine) as tx:
            page = in_pass(tx, self._name, _PAGE, passed)
        yield from self._taken([news for news in page if self._is_behind(news)])
        self._held.save()
        settle(self._engine, [news.session_id for news in page if news.fed < news.head])
        last = page[-1].session_id if page else None
        write_retried(self._engine, partial(move_pass, name=self._name, passed=last))

    def _is_behind(self, news: News) -> bool:
        first = 0 if self._from_start else news.fed
        return (news.checkpoint.seq if news.checkpoint is not None else first) < news.head

    def _taken(self, page: list[News]) -> Iterator[Turn]:
        """Yield those sessions that this feed can have, and that it can go on in."""
        if self.one_by_one:
            # In an order of its own, so that feeds that work at once seldom want the same session.
            for news in random.sample(page, len(page)):
                yield from self._taken_together([news])
        else:
            yield from self._taken_together(page)

    def _taken_together(self, page: list[News]) -> Iterator[Turn]:
        turns = []
        for news, held in self._held.take(page):
            last = last_to_read(self._wanted, news, held.seq)
            if last > held.seq:
                turns.append(Turn(news, held, last))
        known, fresh_until = self._read_together(turns), time.monotonic() + _FRESH
        for turn in turns:
            is_fresh = time.monotonic() < fresh_until
            yield turn._replace(known=known.get(turn.news.session_id)) if is_fresh else turn

    def _read_together(self, turns: list[Turn]) -> dict[str, list[StoredEvent]]:
        """Read the events of those sessions that have few new ones, as live calls have."""
        types = self._wanted.event_types()
        if types == () or len(turns) < 2:
            return {}
        stretches = [
            Stretch(turn.news.session_id, turn.held.seq, turn.last)
            for turn in turns
            if turn.held.seq >= turn.news.sealed and turn.last - turn.held.seq <= MOST_OF_SESSION
        ]
        return read_together(self._engine, stretches, types)

    def _passed(self) -> str | None:
        """Return the place of the pass over all sessions, or None if there is none to make."""
        if self._has_passed and time.monotonic() < self._next_check:
            return None
        self._next_check = time.monotonic() + _CHECK_EACH
        found = look_at_pass(self._engine, self._name)
        self.dropped = not found.exists
        self._has_passed = found.exists and found.place is None
        return found.place
